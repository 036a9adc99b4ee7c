package scl_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"github.com/google/go-cmp/cmp"
)

// privates are the texts of all Private elements of the file but those within the elements skip.
func privates(t *testing.T, text string, skip func(xml.StartElement) bool) []string {
	t.Helper()
	var all []string
	dec := xml.NewDecoder(strings.NewReader(text))
	for {
		at := dec.InputOffset()
		tok, err := dec.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && (skip(e) || e.Name.Local == "Private") {
			if err := dec.Skip(); err != nil {
				t.Fatal(err)
			}
			if !skip(e) {
				all = append(all, text[at:dec.InputOffset()])
			}
		}
	}
}

// An extract has the same IED with the same findings, and all that is not another's to the letter.
func TestExtractKeepsTheIEDAndWhatIsNotUnderstood(t *testing.T) {
	for _, file := range files(t) {
		d := parseFile(t, file)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range d.Check("").Servers {
			if i%4 > 0 || s.At != "" || scl.RaceEnabled && i > 0 {
				continue // some are enough
			}
			t.Run(filepath.Base(file)+" "+s.IED, func(t *testing.T) {
				var out bytes.Buffer
				if err := d.Extract(&out, s.IED); err != nil {
					t.Fatal(err)
				}
				extract, err := scl.Parse(bytes.NewReader(out.Bytes()))
				if err != nil {
					t.Fatal(err)
				}
				if ieds := extract.IEDs(); len(ieds) != 1 || ieds[0].Name != s.IED {
					t.Errorf("it has %v", ieds)
				}
				want, _, err := d.Model(s.IED, s.AccessPoint)
				if err != nil {
					t.Fatal(err)
				}
				got, _, err := extract.Model("", s.AccessPoint)
				if err != nil {
					t.Fatal(err)
				}
				if !cmp.Equal(want.Counts(), got.Counts()) || len(want.LDs) != len(got.LDs) {
					t.Errorf("got %v, want %v", got.Counts(), want.Counts())
				}
				for i, ld := range want.LDs {
					for j, ln := range ld.LNs {
						if !slices.EqualFunc(ln.Values, got.LDs[i].LNs[j].Values, sameValue) {
							t.Errorf("values of %s differ", ln.Node.Name)
						}
					}
				}
				another := func(e xml.StartElement) bool {
					of := map[string]string{"IED": "name", "ConnectedAP": "iedName"}[e.Name.Local]
					for _, a := range e.Attr {
						if a.Name.Local == of && a.Value != s.IED {
							return true
						}
					}
					return false
				}
				if diff := cmp.Diff(privates(t, string(whole), another), privates(t, out.String(), another)); diff != "" {
					t.Errorf("Private elements (-file +extract):\n%s", diff)
				}
				var again bytes.Buffer
				if err := extract.Extract(&again, s.IED); err != nil || !bytes.Equal(again.Bytes(), out.Bytes()) {
					t.Errorf("an extract of the extract is another: %v", err)
				}
			})
		}
	}
}

func TestExtractOfNoIEDNamesThem(t *testing.T) {
	err := parseFile(t, filepath.Join("testdata", "corners.scd")).Extract(io.Discard, "NIX")
	if err == nil || !strings.Contains(err.Error(), `there is no IED "NIX": choose one of CRN, OTH`) {
		t.Errorf("got %v", err)
	}
}

func TestExtractLeavesOutWhatNothingUses(t *testing.T) {
	var out strings.Builder
	if err := parseFile(t, filepath.Join("testdata", "corners.scd")).Extract(&out, "OTH"); err != nil {
		t.Fatal(err)
	}
	for _, there := range []string{`<IED name="OTH"`, `<DOType id="LPL_1"`, `<EnumType id="Beh"`, `<other xmlns="urn:x">`, "<!-- Two IEDs"} {
		if !strings.Contains(out.String(), there) {
			t.Errorf("it has no %s", there)
		}
	}
	for _, gone := range []string{"CRN", `id="MV_1"`, `id="Vector"`, `id="Wide"`} {
		if strings.Contains(out.String(), gone) {
			t.Errorf("it has %s:\n%s", gone, out.String())
		}
	}
}

func sameValue(a, b acsi.InitialValue) bool {
	return a.Ref == b.Ref && a.Group == b.Group && a.Value.Equal(b.Value)
}
