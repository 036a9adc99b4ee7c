package trace

import "strings"

// pretty breaks well-formed XML into lines, each element on one of its own unless it holds text only.
func pretty(xml string) []string {
	var lines []string
	depth, open := 0, false // open: the last line is a start tag, and nothing has followed it
	add := func(s string) { lines = append(lines, strings.Repeat("  ", depth)+s) }
	for xml != "" {
		token := nextToken(xml)
		xml = xml[len(token):]
		switch {
		case strings.HasPrefix(token, "</"):
			depth = max(0, depth-1)
			if open {
				lines[len(lines)-1] += token
			} else {
				add(token)
			}
			open = false
		case strings.HasPrefix(token, "<![CDATA["), token[0] != '<':
			if text := strings.TrimSpace(token); text != "" && open {
				lines[len(lines)-1] += text
			} else if text != "" {
				add(text)
			}
		default:
			add(token)
			open = !strings.HasSuffix(token, "/>")
			if open {
				depth++
			}
		}
	}
	return lines
}

// nextToken is the tag, section or text that xml begins with.
func nextToken(xml string) string {
	if xml[0] != '<' {
		if i := strings.IndexByte(xml, '<'); i >= 0 {
			return xml[:i]
		}
		return xml
	}
	if strings.HasPrefix(xml, "<![CDATA[") {
		if i := strings.Index(xml, "]]>"); i >= 0 {
			return xml[:i+3]
		}
		return xml
	}
	var quote byte
	for i := range len(xml) {
		switch ch := xml[i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case ch == '\'' || ch == '"':
			quote = ch
		case ch == '>':
			return xml[:i+1]
		}
	}
	return xml
}

// wrapRaw breaks a clean line hard: nothing of it may be lost or moved.
func wrapRaw(line string, width int) []string {
	var lines []string
	for columns(line) > width {
		end, used := 0, 0
		for i, r := range line {
			if used += columns(string(r)); used > width {
				break
			}
			end = i + len(string(r))
		}
		lines = append(lines, line[:end])
		line = line[end:]
	}
	return append(lines, line)
}
