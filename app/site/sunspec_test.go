package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi/server"
	"busbar.example/process/sunspec"
)

// writeMapping writes a mapping file, and returns its name.
func writeMapping(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "inverter.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestMappingFileIsRead(t *testing.T) {
	got, err := readMapping(writeMapping(t, `
connect: 192.0.2.17
unit: 3
poll: 500ms
timeout: 1s
gone: 1m
values:
  - {ref: "LD/A1.B.stVal[ST]", point: 701.St, map: {0: off, 1: "on"}}
  - ref: LD/A1.C.mag.f[MX]
    point: 701.W
    factor: 0.001
    offset: -1
  - {ref: "LD/A1.D.stVal[ST]", point: 701.Alrm, bit: 0}
controls:
  - ref: LD/A1.E
    point: 704.WSet
    min: -1.5
    max: 2
    with: [{point: 704.WSetMod, value: 1}]
    enable: 704.WSetEna
    verify: 3s
settings:
  - {ref: "LD/A1.F.setMag.f[SP]", point: 702.WMax}
`))
	if err != nil {
		t.Fatal(err)
	}
	least, most, first := -1.5, 2.0, 0
	want := sunspec.Mapping{
		Connect: "192.0.2.17", Unit: 3, Poll: 500 * time.Millisecond, Timeout: time.Second, Gone: time.Minute,
		Values: []sunspec.Value{
			{Line: 8, Ref: "LD/A1.B.stVal[ST]", Point: "701.St", Map: map[int64]string{0: "off", 1: "on"}},
			{Line: 9, Ref: "LD/A1.C.mag.f[MX]", Point: "701.W", Factor: 0.001, Offset: -1},
			{Line: 13, Ref: "LD/A1.D.stVal[ST]", Point: "701.Alrm", Bit: &first},
		},
		Controls: []sunspec.Control{{Line: 15, Ref: "LD/A1.E", Point: "704.WSet", Min: &least, Max: &most,
			With: []sunspec.Write{{Point: "704.WSetMod", Value: 1}}, Enable: "704.WSetEna", Verify: 3 * time.Second}},
		Settings: []sunspec.Control{{Line: 23, Ref: "LD/A1.F.setMag.f[SP]", Point: "702.WMax"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The mapping of the documentation is one of the demo's inverter.
func TestMappingOfTheDocumentation(t *testing.T) {
	p, err := processOf("sunspec:../../docs/sunspec-inverter.yaml", silent)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Attach(demoEngine(t)); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with a mapping names the file, the line, the value and the point, and says what to do.
func TestMappingFilesThatAreWrong(t *testing.T) {
	const head = "connect: 192.0.2.17\nvalues:\n- ref: PV1LD0/MMXU1.TotW.mag.f[MX]\n"
	for _, tc := range []struct{ name, text, err, hint string }{
		{"no YAML", "values: [", "inverter.yaml: ", "its fields are connect"},
		{"nothing", "", "inverter.yaml: connect is missing", "write connect: HOST:PORT"},
		{"no mapping", "- 1", "inverter.yaml: ", "its fields are connect"},
		{"an unknown field", "connect: x\nvalue: 1\n", "inverter.yaml: line 2: there is no field value", "its fields are connect"},
		{"an unknown field of an entry", head + "  points: 701.W\n", "line 4: there is no field points", "its fields are connect"},
		{"no duration", "connect: x\npoll: often\n", "inverter.yaml: ", "its fields are connect"},
		{"no unit", "connect: x\nunit: 256\n", "inverter.yaml: ", "its fields are connect"},
		{"two documents", "connect: x\n---\nconnect: y\n", "more than one document is in it", "its fields are connect"},
		{"too long", strings.Repeat("#\n", maxConfigSize), "more than 1048576 octets", ""},
		{"no such point", head + "  point: 701.Watt\n", "inverter.yaml: line 3: PV1LD0/MMXU1.TotW.mag.f[MX] <-> 701.Watt: model 701 has no point", "write MODEL.POINT"},
		{"no such value", strings.Replace(head, "TotW", "TotQ", 1) + "  point: 701.W\n", "line 3: PV1LD0/MMXU1.TotQ.mag.f[MX] <-> 701.W: ", "write the reference of a leaf"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := processOf("sunspec:"+writeMapping(t, tc.text), silent)
			if err == nil {
				err = p.Attach(demoEngine(t))
			}
			wantError(t, err, tc.err, tc.hint)
		})
	}
	_, err := processOf("sunspec:nowhere.yaml", silent)
	wantError(t, err, "open nowhere.yaml", "give the path of a mapping file")
}

// demoEngine serves the demo's inverter.
func demoEngine(t *testing.T) *server.Engine {
	t.Helper()
	model, _, err := loadModel("../demo/scl/pv.cid", "", "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := server.New(server.Config{Model: model})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
