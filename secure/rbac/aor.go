package rbac

import "strings"

// covers reports whether the area of responsibility aor covers the logical
// device ld. Names compare by octet: logical device names are case-sensitive
// and hold neither commas, asterisks nor question marks.
func covers(aor, ld string) bool {
	if aor == "" || aor == "*" {
		return true
	}
	if ld == "" {
		return false
	}
	for pattern := range strings.SplitSeq(aor, ",") {
		if match(pattern, ld) {
			return true
		}
	}
	return false
}

// match reports whether pattern matches the whole of name. It goes back to the
// last asterisk only, so that its cost is bounded by the product of the lengths.
func match(pattern, name string) bool {
	p, n := 0, 0
	star, resume := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
