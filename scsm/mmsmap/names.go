package mmsmap

import (
	"strconv"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// itemOf is the MMS name of ref: LN, LN$FC, LN$FC$DO$DA. What follows the first index is left out.
//
// IEC 61850-8-1, 7.3.
func itemOf(ref acsi.Ref) mms.DomainSpecific {
	item, _ := splitIndex(ref.Item())
	ln, rest, more := strings.Cut(item, ".")
	if fc := ref.FC(); fc != 0 {
		ln += "$" + fc.String()
		if more {
			ln += "$" + strings.ReplaceAll(rest, ".", "$")
		}
	}
	return mms.DomainSpecific{DomainID: ref.LD(), ItemID: ln}
}

// splitIndex cuts LN.DO(3).DA into LN.DO and (3).DA.
func splitIndex(item string) (before, from string) {
	if i := strings.IndexByte(item, '('); i >= 0 {
		return item[:i], item[i:]
	}
	return item, ""
}

// variableOf is the variable that ref means; an index in it becomes an alternate access.
func variableOf(ref acsi.Ref) mms.Variable {
	_, from := splitIndex(ref.Item())
	return mms.Variable{
		VariableSpecification: mms.VariableName{Name: itemOf(ref)},
		AlternateAccess:       accessOf(from),
	}
}

// accessOf is the alternate access of (3).DA: the element, and below it one component, whose names are
// joined with $.
//
// IEC 61850-8-1, access to array elements.
func accessOf(from string) mms.AlternateAccess {
	if from == "" {
		return nil
	}
	if from[0] != '(' {
		path, rest := splitIndex(strings.TrimPrefix(from, "."))
		component := strings.ReplaceAll(path, ".", "$")
		if rest == "" {
			return unnamed(mms.SelectAccess{Part: mms.Component(component)})
		}
		return unnamed(mms.SelectAlternateAccess{AccessSelection: mms.Component(component), AlternateAccess: accessOf(rest)})
	}
	digits, rest, _ := strings.Cut(from[1:], ")")
	n, _ := strconv.ParseUint(digits, 10, 32) // a Ref's index is a number of at most 6 digits
	if rest == "" {
		return unnamed(mms.SelectAccess{Part: mms.Index(n)})
	}
	return unnamed(mms.SelectAlternateAccess{AccessSelection: mms.Index(n), AlternateAccess: accessOf(rest)})
}

func unnamed(s mms.AlternateAccessSelection) mms.AlternateAccess {
	return mms.AlternateAccess{mms.UnnamedAccess{Selection: s}}
}

// refOf is what a variable of a request means.
func (s *server) refOf(v mms.Variable) (acsi.Ref, error) {
	name, ok := v.VariableSpecification.(mms.VariableName)
	if !ok {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectAccessUnsupported, "variables are accessed by name only")
	}
	ref, err := s.refOfName(name.Name)
	if err != nil || v.AlternateAccess == nil {
		return ref, err
	}
	from, err := suffixOf(v.AlternateAccess)
	if err != nil {
		return acsi.Ref{}, err
	}
	if ref, err = acsi.NewRef(ref.LD(), ref.Item()+from, ref.FC()); err != nil {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectNonExistent, "%v", err)
	}
	return ref, nil
}

// refOfName is what an object name means. Names are parsed once for each association.
func (s *server) refOfName(name mms.ObjectName) (acsi.Ref, error) {
	n, ok := name.(mms.DomainSpecific)
	if !ok {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectNonExistent, "%v is not in a logical device", name)
	}
	if ref, known := s.refs[n]; known {
		return ref, nil
	}
	ref, err := acsi.ParseItem(n.DomainID, n.ItemID)
	if err != nil {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectNonExistent, "%v", err)
	}
	if len(s.refs) < maxRefs {
		s.refs[n] = ref
	}
	return ref, nil
}

// suffixOf is (3).DA of an alternate access that selects one part.
func suffixOf(a mms.AlternateAccess) (string, error) {
	if len(a) != 1 {
		return "", acsi.Errorf(acsi.ObjectAccessUnsupported, "one part is selected at a time")
	}
	var selection mms.AlternateAccessSelection
	switch item := a[0].(type) {
	case mms.UnnamedAccess:
		selection = item.Selection
	case mms.NamedAccess:
		selection = item.Access
	}
	switch sel := selection.(type) {
	case mms.SelectAccess:
		return partOf(sel.Part)
	case mms.SelectAlternateAccess:
		first, err := partOf(sel.AccessSelection)
		if err != nil {
			return "", err
		}
		rest, err := suffixOf(sel.AlternateAccess)
		return first + rest, err
	}
	return "", acsi.Errorf(acsi.ObjectAccessUnsupported, "this alternate access is not served")
}

func partOf(part any) (string, error) {
	switch p := part.(type) {
	case mms.Index:
		return "(" + strconv.FormatUint(uint64(p), 10) + ")", nil
	case mms.Component:
		return "." + strings.ReplaceAll(string(p), "$", "."), nil
	}
	return "", acsi.Errorf(acsi.ObjectAccessUnsupported, "ranges of elements are not served: select one element")
}
