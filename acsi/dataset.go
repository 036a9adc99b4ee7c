package acsi

import (
	"fmt"
	"strings"
)

// DataSet is an ordered list of objects that are read, written, reported or logged together.
//
// IEC 61850-7-2, 13.
type DataSet struct {
	Ref     Ref   // LD/LN.Name, or @Name of one that belongs to an association
	Members []Ref // data objects and attributes, each with its functional constraint; at least one
	Fixed   bool  // it comes from the engineering: no service deletes it
}

// NewDataSetRef is the reference of the data set called name in the logical node ln. With the zero Ref it is one that
// belongs to an association: @name.
func NewDataSetRef(ln Ref, name string) (Ref, error) {
	if !ln.IsZero() {
		if ln.Depth() != 2 {
			return Ref{}, refError(ln.Path(), "data sets are in logical nodes: LD/LN.Name, or @Name")
		}
		return ln.WithFC(0).Child(name)
	}
	if !isName(name) {
		return Ref{}, refError("@"+name, fmt.Sprintf("%q is not a name (letters, digits and _)", clip(name)))
	}
	return Ref{path: "@" + name}, nil
}

// ParseDataSetRef reads the name of a data set or log as it travels, LD/LN$Name or @Name, and in the spelling of ACSI,
// LD/LN.Name.
func ParseDataSetRef(s string) (Ref, error) {
	ref, err := ParseRef(strings.Replace(s, "$", ".", 1))
	if err != nil {
		return Ref{}, err
	}
	if !ref.IsLocal() && (ref.Depth() != 3 || ref.FC() != 0 || !isName(ref.Name())) {
		return Ref{}, refError(s, "a data set or log is called LD/LN.Name, LD/LN$Name or @Name")
	}
	return ref, nil
}

// IsLocal reports whether r is the name of a data set that belongs to an association, @Name: it is in no logical device.
func (r Ref) IsLocal() bool { return len(r.path) > 0 && r.path[0] == '@' }
