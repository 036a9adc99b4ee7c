package scl

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Extract writes the file with one IED, that called name: without the others, their ConnectedAPs and the types that
// nothing in it uses. All else is written as it was read, octet for octet, what is not understood too: Private elements,
// other namespaces, comments. The encoding is UTF-8. Errors are *Error, and those of w.
func (d *Document) Extract(w io.Writer, name string) error {
	var names []string
	var kept *ied
	for _, dev := range d.ieds.list {
		names = append(names, dev.name)
		if dev.name == name {
			kept = dev
		}
	}
	if kept == nil {
		return &Error{File: d.file, Rule: rules[ruleNoSuchIED].ID, Msg: fmt.Sprintf("there is no IED %s", quote(name)), Hint: "choose one of " + list(names)}
	}
	cuts := d.others(kept)
	used := d.typesUsed([]*ied{kept})
	for _, t := range d.types.all {
		if !used[t.extent] {
			cuts = append(cuts, t.extent)
		}
	}
	for _, e := range d.types.enums {
		if !used[e.extent] {
			cuts = append(cuts, e.extent)
		}
	}
	slices.SortFunc(cuts, func(a, b extent) int { return cmp.Compare(a.from, b.from) })
	from := 0
	if declaredEncoding(d.text) != "" {
		if _, err := io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`); err != nil {
			return err
		}
		from = bytes.Index(d.text, []byte("?>")) + 2
	}
	return d.writeWithout(w, from, cuts)
}

// others are what is of IEDs other than kept.
func (d *Document) others(kept *ied) []extent {
	var cuts []extent
	for _, dev := range slices.Concat(d.ieds.list, d.doubles) {
		if dev != kept {
			cuts = append(cuts, dev.extent)
		}
	}
	for _, c := range d.conns {
		if c.ied != kept.name {
			cuts = append(cuts, c.extent)
		}
	}
	return cuts
}

// typesUsed are the types that the IEDs and the LNodes of the process use, directly or through others.
func (d *Document) typesUsed(devs []*ied) map[extent]bool {
	used := map[extent]bool{}
	var open []*typeDef
	use := func(t *typeDef) {
		if t != nil && !used[t.extent] {
			used[t.extent] = true
			open = append(open, t)
		}
	}
	for i := range d.lnodes {
		use(d.types.ln(lnKey{d.lnodes[i].typ, d.lnodes[i].class}))
	}
	for _, dev := range devs {
		for _, ap := range dev.aps.list {
			for _, key := range ap.clients {
				use(d.types.ln(key))
			}
			for _, ld := range ap.lds {
				for _, ln := range ld.lns {
					use(d.types.ln(ln.key()))
				}
			}
		}
	}
	for len(open) > 0 {
		t := open[len(open)-1]
		open = open[:len(open)-1]
		for _, m := range t.members {
			switch m.element {
			case "DO", "SDO":
				use(d.types.dos[m.typ])
			default:
				use(d.types.das[m.typ])
				if e := d.types.enums[m.typ]; e != nil {
					used[e.extent] = true
				}
			}
		}
	}
	return used
}

// writeWithout writes the text from an octet on without the cuts, which are in order, and the blanks before them.
func (d *Document) writeWithout(w io.Writer, from int, cuts []extent) error {
	for _, cut := range cuts {
		part := bytes.TrimRight(d.text[from:cut.from], " \t")
		part = bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r"))
		if _, err := w.Write(part); err != nil {
			return err
		}
		from = cut.to
	}
	_, err := w.Write(d.text[from:])
	return err
}
