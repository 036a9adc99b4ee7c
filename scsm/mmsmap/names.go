package mmsmap

import (
	"strconv"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// itemOf is the MMS name of ref: LN, LN$FC, LN$FC$DO$DA. What follows the first array's name is left out.
//
// IEC 61850-8-1, 7.3.
func itemOf(ref acsi.Ref) mms.DomainSpecific {
	path, _ := splitIndex(ref.Item())
	ln, below, more := strings.Cut(path, ".")
	if ref.FC() == 0 {
		return mms.DomainSpecific{DomainID: ref.LD(), ItemID: ln}
	}
	var b strings.Builder
	b.Grow(len(path) + len("$MX"))
	b.WriteString(ln)
	b.WriteByte('$')
	b.WriteString(ref.FC().String())
	for more {
		var name string
		name, below, more = strings.Cut(below, ".")
		b.WriteByte('$')
		b.WriteString(name)
	}
	return mms.DomainSpecific{DomainID: ref.LD(), ItemID: b.String()}
}

// nameIn is the MMS name of what a logical node holds beside its data objects, a data set or a log: LN$Name in the logical
// device, and the name alone of a data set that belongs to an association.
//
// IEC 61850-8-1, 7.3.
func nameIn(ref acsi.Ref) (mms.ObjectName, error) {
	if ref.IsLocal() {
		return mms.AASpecific(ref.Path()[len("@"):]), nil
	}
	if name, from := splitIndex(ref.Name()); ref.Depth() == 3 && ref.FC() == 0 && from == "" {
		return mms.DomainSpecific{DomainID: ref.LD(), ItemID: ref.LN() + "$" + name}, nil
	}
	return nil, acsi.Errorf(acsi.InvalidAddress, "%v is not LD/LN.Name", ref)
}

// splitIndex cuts LN.DO(3).DA into LN.DO and (3).DA.
func splitIndex(path string) (before, from string) {
	if i := strings.IndexByte(path, '('); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// addressOf is the variable that ref means, and the alternate access that an index in ref becomes.
func addressOf(ref acsi.Ref) (mms.DomainSpecific, mms.AlternateAccess) {
	_, from := splitIndex(ref.Item())
	return itemOf(ref), accessOf(from)
}

func variable(item mms.DomainSpecific, access mms.AlternateAccess) mms.Variable {
	return mms.Variable{VariableSpecification: mms.VariableName{Name: item}, AlternateAccess: access}
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

// references turns the names of one peer into references, and remembers them: a peer asks for the same ones again.
type references map[mms.DomainSpecific]acsi.Ref

// maxReferences bounds what is remembered of one peer, which may ask for any number of names.
const maxReferences = 1 << 12

// ofVariable is what a variable of a request means. Its error is an *acsi.Error.
func (r references) ofVariable(v mms.Variable) (acsi.Ref, error) {
	name, ok := v.VariableSpecification.(mms.VariableName)
	if !ok {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectAccessUnsupported, "variables are accessed by name only")
	}
	item, err := itemNamed(name.Name)
	if err != nil {
		return acsi.Ref{}, err
	}
	if v.AlternateAccess != nil {
		below, err := selectedBy(v.AlternateAccess)
		if err != nil {
			return acsi.Ref{}, err
		}
		item.ItemID += below
	}
	return r.ofItem(item)
}

// ofName is what an object name means. Its error is an *acsi.Error.
func (r references) ofName(name mms.ObjectName) (acsi.Ref, error) {
	item, err := itemNamed(name)
	if err != nil {
		return acsi.Ref{}, err
	}
	return r.ofItem(item)
}

// itemNamed refuses names that cannot be in a logical device. An index has no place in one: an element of an array is
// selected by alternate access, and in no other way.
func itemNamed(name mms.ObjectName) (mms.DomainSpecific, error) {
	item, ok := name.(mms.DomainSpecific)
	if !ok {
		return item, acsi.Errorf(acsi.ObjectNonExistent, "%v is not in a logical device", name)
	}
	if strings.IndexByte(item.ItemID, '(') >= 0 {
		return item, acsi.Errorf(acsi.ObjectNonExistent, "%q has an index in its name", item.ItemID)
	}
	return item, nil
}

// ofItem parses LN, LN$FC, LN$FC$DO(3)$DA.
func (r references) ofItem(item mms.DomainSpecific) (acsi.Ref, error) {
	if ref, known := r[item]; known {
		return ref, nil
	}
	ref, err := acsi.ParseItem(item.DomainID, item.ItemID)
	if err != nil {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectNonExistent, "%v", err)
	}
	r.remember(item, ref)
	return ref, nil
}

func (r references) remember(item mms.DomainSpecific, ref acsi.Ref) {
	if len(r) >= maxReferences {
		clear(r)
	}
	r[item] = ref
}

// ofNameIn is the reverse of nameIn. Its error is an *acsi.Error.
func (r references) ofNameIn(name mms.ObjectName) (acsi.Ref, error) {
	item, inDevice := name.(mms.DomainSpecific)
	local, own := name.(mms.AASpecific)
	if own {
		item = mms.DomainSpecific{ItemID: "@" + string(local)}
	} else if !inDevice {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectNonExistent, "%v is not in a logical device", name)
	}
	if ref, known := r[item]; known {
		return ref, nil
	}
	called := item.ItemID
	if !own {
		called = item.DomainID + "/" + called
	}
	ref, err := acsi.ParseDataSetRef(called)
	if err != nil || own != ref.IsLocal() || strings.IndexByte(item.ItemID, '.') >= 0 {
		return acsi.Ref{}, acsi.Errorf(acsi.ObjectNonExistent, "%q is no name of a data set or log", called)
	}
	r.remember(item, ref)
	return ref, nil
}

// selectedBy is (3)$DA of an alternate access that selects one part.
func selectedBy(a mms.AlternateAccess) (string, error) {
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
		return nameOfPart(sel.Part)
	case mms.SelectAlternateAccess:
		first, err := nameOfPart(sel.AccessSelection)
		if err != nil {
			return "", err
		}
		rest, err := selectedBy(sel.AlternateAccess)
		return first + rest, err
	}
	return "", acsi.Errorf(acsi.ObjectAccessUnsupported, "this alternate access is not served")
}

// nameOfPart is (3) or $DA of a mms.Part or mms.AccessSelection.
func nameOfPart(part any) (string, error) {
	switch p := part.(type) {
	case mms.Index:
		return "(" + strconv.FormatUint(uint64(p), 10) + ")", nil
	case mms.Component:
		if strings.IndexByte(string(p), '(') >= 0 {
			return "", acsi.Errorf(acsi.ObjectNonExistent, "%q has an index in its name", string(p))
		}
		return "$" + string(p), nil
	}
	return "", acsi.Errorf(acsi.ObjectAccessUnsupported, "ranges of elements are not served: select one element")
}
