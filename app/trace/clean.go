package trace

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks one after the other a person writes.
const maxMarks = 3

// clean makes text fit to be printed: what a peer has put into it must neither steer the terminal nor change
// the order in which the rest of the line is read, so control and format characters, and letters that are
// written from right to left, are escaped. With ascii so is everything else that is not ASCII.
func clean(s string, ascii bool) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks := 0
	for i, w := 0, 0; i < len(s); i += w {
		var r rune
		r, w = utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && w == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r >= utf8.RuneSelf && ascii, marks > maxMarks, !unicode.IsPrint(r), unicode.In(r, rightToLeft...):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// rightToLeft are the scripts in use that are.
var rightToLeft = []*unicode.RangeTable{unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko,
	unicode.Samaritan, unicode.Mandaic, unicode.Adlam, unicode.Mende_Kikakui, unicode.Hanifi_Rohingya, unicode.Yezidi}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// columns is the room that a clean text takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
			n++
		case unicode.Is(unicode.M, r):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), r >= 0xff01 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
			n += 2
		default:
			n++
		}
	}
	return n
}

// wrap breaks a clean text into lines of at most width columns, the later ones of which begin with indent. It
// breaks between words, and in a word that is too long behind a mark that parts a reference, where there is one.
func wrap(text string, width int, indent string) []string {
	var lines []string
	line, room := "", width
	next := func() {
		lines = append(lines, line)
		line, room = indent, width-columns(indent)
	}
	for _, word := range strings.Fields(text) {
		used := columns(strings.TrimPrefix(line, indentOf(lines, indent)))
		if used > 0 && used+1+columns(word) > room {
			next()
			used = 0
		}
		if used > 0 {
			line += " "
			used++
		}
		for columns(word) > room-used {
			head := cut(word, room-used)
			line += head
			word = word[len(head):]
			next()
			used = 0
		}
		line += word
	}
	return append(lines, line)
}

// indentOf is what the current line begins with.
func indentOf(lines []string, indent string) string {
	if len(lines) == 0 {
		return ""
	}
	return indent
}

// cut is the longest beginning of word that fits, up to one of its marks if there is one in its second half.
func cut(word string, width int) string {
	end, mark, used := 0, 0, 0
	for i, r := range word {
		w := columns(string(r))
		if used+w > width && i > 0 {
			break
		}
		used += w
		end = i + utf8.RuneLen(r)
		if strings.ContainsRune("/.$,:;@-_=>", r) {
			mark = end
		}
	}
	if mark > end/2 {
		return word[:mark]
	}
	return word[:end]
}

// grouped is a number of octets as people read it.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
