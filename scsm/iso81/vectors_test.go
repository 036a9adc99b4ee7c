package iso81

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"busbar.example/internal/asn1"
)

var update = flag.Bool("update", false, "write what is read of the vectors into their files")

const vectors = "../../testdata/iso81"

// vector is one entry of a file of vectors: octets, and what they are.
type vector struct {
	name, kind, hex string
	is, refused     string // what they are, or why they are refused
	written         bool   // they are what we write, too
}

// readVectors reads a file: what is before the first entry, and the entries.
func readVectors(t testing.TB, layer string) (head string, all []vector) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, layer+".txt"))
	must(t, err)
	for i, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		if i == 0 {
			head = block
			continue
		}
		var v vector
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			value = strings.TrimSpace(value)
			switch key {
			case "name":
				v.name = value
			case "type":
				v.kind = value
			case "hex":
				v.hex = value
			case "is":
				v.is = value
			case "refused":
				v.refused = value
			case "written":
				v.written = true
			default:
				t.Fatalf("%s: %q is no line of a vector", layer, line)
			}
		}
		all = append(all, v)
	}
	return head, all
}

func writeVectors(t testing.TB, layer, head string, all []vector) {
	t.Helper()
	var b strings.Builder
	b.WriteString(head + "\n")
	for _, v := range all {
		fmt.Fprintf(&b, "\nname: %s\n", v.name)
		if v.kind != "" {
			fmt.Fprintf(&b, "type: %s\n", v.kind)
		}
		fmt.Fprintf(&b, "hex:  %s\n", v.hex)
		if v.is != "" {
			fmt.Fprintf(&b, "is:   %s\n", v.is)
		} else {
			fmt.Fprintf(&b, "refused: %s\n", v.refused)
		}
		if v.written {
			b.WriteString("written: yes\n")
		}
	}
	must(t, os.WriteFile(filepath.Join(vectors, layer+".txt"), []byte(b.String()), 0o644))
}

// kinds are the types of PPDUs in vectors.
var kinds = map[string]struct {
	plan *asn1.Type
	make func() any
}{
	"CP":    {connectType, func() any { return new(connectPPDU) }},
	"CPA":   {acceptType, func() any { return new(acceptPPDU) }},
	"CPR":   {refuseType, func() any { return new(refusePPDU) }},
	"abort": {abortType, func() any { return new(abortPPDU) }},
	"data":  {userDataType, func() any { return new(userData) }},
	"":      {apduType, func() any { return new(apdu) }},
}

// read reads octets as those of a layer, and writes what was read.
func read(layer, kind string, b []byte) (got any, written []byte, err error) {
	switch layer {
	case "tpkt":
		got, err = packetLength(b)
		return got, nil, err
	case "cotp":
		pdu, err := parseTPDU(b)
		if err != nil {
			return nil, nil, err
		}
		return pdu, pdu.append(nil)[tpktHeader:], nil
	case "session":
		s, err := parseSPDU(b)
		if err != nil {
			return nil, nil, err
		}
		return s, s.append(nil), nil
	}
	k := kinds[kind]
	out := k.make()
	if err := lenience(false).decode(LayerPresentation, layer, b, k.plan, out); err != nil {
		return nil, nil, err
	}
	value := reflect.ValueOf(out).Elem().Interface()
	return value, encode(k.plan, value), nil
}

// TestVectors reads what each layer may be sent.
func TestVectors(t *testing.T) {
	for _, layer := range []string{"tpkt", "cotp", "session", "presentation", "acse"} {
		head, all := readVectors(t, layer)
		for i, v := range all {
			t.Run(layer+"/"+v.name, func(t *testing.T) {
				b := octets(t, v.hex)
				got, written, err := read(layer, v.kind, b)
				if *update {
					all[i].is, all[i].refused = "", ""
					if err != nil {
						all[i].refused = err.Error()
					} else {
						all[i].is = describe(reflect.ValueOf(&got).Elem())
					}
					return
				}
				switch {
				case err != nil && (v.refused == "" || err.Error() != v.refused):
					t.Errorf("%s\ngot  %v\nwant %s%s", v.hex, err, v.is, v.refused)
				case err == nil && describe(reflect.ValueOf(&got).Elem()) != v.is:
					t.Errorf("%s\ngot  %s\nwant %s%s", v.hex, describe(reflect.ValueOf(&got).Elem()), v.is, v.refused)
				case err == nil && v.written && !bytes.Equal(written, b):
					t.Errorf("%s\nis written as %x", v.hex, written)
				}
			})
		}
		if *update {
			writeVectors(t, layer, head, all)
		}
	}
}

// describe prints a value in Go's manner, without what is zero, with octets in hexadecimal.
func describe(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.Kind() == reflect.Interface {
			return strings.TrimLeft(strings.Replace(v.Elem().Type().String(), "iso81.", "", 1), "*") + " " + describe(v.Elem())
		}
		return describe(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return hex.EncodeToString(v.Bytes())
		}
		var items []string
		for i := range v.Len() {
			items = append(items, describe(v.Index(i)))
		}
		return "[" + strings.Join(items, " ") + "]"
	case reflect.Struct:
		var fields []string
		for i := range v.NumField() {
			f := v.Field(i)
			if f.IsZero() {
				continue
			}
			fields = append(fields, v.Type().Field(i).Name+":"+describe(f))
		}
		return "{" + strings.Join(fields, " ") + "}"
	}
	if v.Kind() == reflect.Uint8 {
		return fmt.Sprintf("%#02x", v.Uint())
	}
	return fmt.Sprint(v)
}
