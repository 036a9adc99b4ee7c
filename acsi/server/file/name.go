// Package file keeps the files of an IED below one folder: what its clients may call them, and how they are listed, read
// and replaced. Nothing outside that folder is reached, whatever the names and the links in it say.
package file

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"busbar.example/acsi"
)

// MaxName is how long the name of a file may be, from the root, in octets.
const MaxName = 255

// check says why name cannot be that of a file or, where it ends with /, of a folder. Names begin at the root, without a /.
// What begins with a point is nobody's: it is hidden, is what is being written, or leads upward.
func check(name string) error {
	if len(name) > MaxName {
		return acsi.Errorf(acsi.InvalidAddress, "the name of the file has %d octets: it may have %d", len(name), MaxName)
	}
	if !utf8.ValidString(name) {
		return acsi.Errorf(acsi.InvalidAddress, "the name of the file %q is not UTF-8", name)
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if part == "" || part[0] == '.' || strings.ContainsFunc(part, unprintable) {
			return acsi.Errorf(acsi.InvalidAddress, "%q is no name of a file here: use FOLDER/NAME, from the root, without a leading / or a part that begins with a point", name)
		}
	}
	return nil
}

// unprintable is what has no place in a name: control characters, what cannot travel as XML, and the other separator, which
// some systems read as /.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\\' || r == 0xfffe || r == 0xffff
}

// request is what a client has asked to hear of.
type request struct {
	folder  string // without a / at its end; "." for the root
	pattern string // of the names in it; "" for all
}

// parse reads "", FOLDER/, FOLDER/NAME and FOLDER/PATTERN.
func parse(name string) (r request, err error) {
	if name == "" || name == "/" {
		return request{folder: "."}, nil
	}
	if err := check(name); err != nil {
		return request{}, err
	}
	if folder, isFolder := strings.CutSuffix(name, "/"); isFolder {
		return request{folder: folder}, nil
	}
	dir, last := path.Split(name)
	return request{folder: path.Clean(dir), pattern: last}, nil
}

// single reports whether r is one file or folder.
func (r request) single() bool { return r.pattern != "" && !strings.ContainsAny(r.pattern, "*?") }

// literally makes all but * and ? stand for itself.
var literally = strings.NewReplacer(`[`, `\[`, `\`, `\\`)

// fits reports whether r is about what is called name in its folder.
func (r request) fits(name string) bool {
	if r.pattern == "" {
		return true
	}
	ok, err := path.Match(literally.Replace(r.pattern), name)
	return ok && err == nil
}

// join is the name from the root of what is called name in a folder.
func join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}
