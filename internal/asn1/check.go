package asn1

import "fmt"

// check completes the compiled types and panics where an encoding of a compiled type could be read in two ways. It runs when all types are complete,
// because types may contain themselves.
func (m *Module) check() {
	for _, t := range m.types {
		switch t.Kind {
		case ChoiceOf:
			t.checkRun(t.Fields)
		case Sequence:
			t.checkSequence()
		case SequenceOf:
			if t.Item.Name == "" {
				wrong(t.Go, "the items have no name: say SEQUENCE OF Name")
			}
		}
	}
}

func (t *Type) checkSequence() {
	for i := range t.Fields {
		u := &t.Fields[i]
		if u.Attribute {
			if t.Attribute != nil && t.Attribute != u {
				wrong(t.Go, "more than one component with DEFAULT: a canonical element has one attribute")
			}
			t.Attribute = u
		}
		if t.Set || t.Extensible {
			continue
		}
		// What follows a component that may be absent must differ from it, up to one that must be present.
		end := i + 1
		for end < len(t.Fields) && (t.Fields[end-1].Optional || t.Fields[end-1].HasDefault) {
			end++
		}
		t.checkRun(t.Fields[i:end])
	}
	if t.Set || t.Extensible { // each component is known by its tag alone
		t.checkRun(t.Fields)
	}
	if t.Set && t.Go.NumField() > 64 {
		wrong(t.Go, "a SET of more than 64 components")
	}
}

// checkRun panics where two of uses begin alike, in BER or in XML.
func (t *Type) checkRun(uses []Use) {
	tags, names := make(map[Tag]bool), make(map[string]bool)
	for i := range uses {
		if uses[i].Tag == 0 && uses[i].Type.Kind == OpenType && len(uses) > 1 {
			wrong(t.Go, uses[i].Name+": an open type without tag is ambiguous here")
		}
		for _, tag := range uses[i].starts(nil) {
			if tags[tag] {
				wrong(t.Go, fmt.Sprintf("%s: tag [%d] is ambiguous", uses[i].Name, tag&Number))
			}
			tags[tag] = true
		}
		for _, name := range append([]string{uses[i].Name}, uses[i].Aliases...) {
			if name == "" || names[name] {
				wrong(t.Go, fmt.Sprintf("name %q is ambiguous", name))
			}
			names[name] = true
		}
	}
}

// starts lists the tags with which an encoding of u may begin.
func (u *Use) starts(tags []Tag) []Tag {
	switch {
	case u.XER:
	case u.Tag != 0:
		return append(tags, u.Tag)
	case u.Type.Kind == DataValue:
		return append(tags, u.Type.data...)
	case u.Type.Kind == ChoiceOf:
		for i := range u.Type.Fields {
			tags = u.Type.Fields[i].starts(tags)
		}
	}
	return tags
}
