package server

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/value"
)

// meter is a model of one measured value LD/MMXU1.X with the attributes that are named: "mag instMag db=500 rangeC.hLim=10 …". A value of
// CF is its configuration.
func meter(t *testing.T, attributes string) *Engine {
	t.Helper()
	do := &acsi.Node{Name: "X", Kind: acsi.DataObjectNode}
	ln := &acsi.LogicalNode{Node: &acsi.Node{Name: "MMXU1", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{do}}}
	for _, word := range strings.Fields(attributes + " q t") {
		path, initial, _ := strings.Cut(word, "=")
		top, _, _ := strings.Cut(path, ".")
		fc := acsi.CF
		switch top {
		case "mag", "instMag", "cVal", "instCVal", "q", "t", "range", "rangeAng":
			fc = acsi.MX
		}
		var basic string
		switch top {
		case "q":
			basic = "Quality"
		case "t":
			basic = "Timestamp"
		case "range", "rangeAng":
			basic = "Enum"
		case "mag", "instMag":
			basic, path = "FLOAT32", path+".f"
		case "cVal", "instCVal":
			basic, path = "FLOAT32", path+".f"
		case "db", "zeroDb", "dbAng":
			basic = "INT32U"
		case "dbRef", "zeroDbRef", "dbAngRef":
			basic = "FLOAT32"
		default:
			if basic = "FLOAT32"; strings.HasSuffix(path, "limDb") {
				basic = "INT32U"
			} else {
				path += ".f"
			}
		}
		at := do
		names := strings.Split(path, ".")
		for i, name := range names {
			child := at.Child(name)
			if child == nil {
				child = &acsi.Node{Name: name, Kind: acsi.BasicDataAttributeNode, FC: fc}
				if i == 0 {
					child.Kind = acsi.DataAttributeNode
				}
				at.Children = append(at.Children, child)
			}
			at = child
		}
		at.Type, _ = acsi.BasicType(basic)
		at.Basic = basic
		if initial != "" {
			var f float32
			if _, err := fmt.Sscan(initial, &f); err != nil {
				t.Fatal(err)
			}
			v := value.Float(f)
			if basic == "INT32U" {
				v = value.Uint(uint64(f))
			}
			ln.Values = append(ln.Values, acsi.InitialValue{Ref: acsi.MustRef("LD/MMXU1.X." + path).WithFC(fc), Value: v})
		}
	}
	e, err := New(Config{Model: &acsi.Model{LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{ln}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// say lets the process say f of an attribute of X.
func say(t *testing.T, e *Engine, path string, f float64) {
	t.Helper()
	h, err := e.Handle(acsi.MustRef("LD/MMXU1.X." + path + "[MX]"))
	if err != nil {
		t.Fatal(err)
	}
	e.Update(func(tx *Tx) {
		if err := tx.SetStamped(h, value.Float(float32(f)), acsi.QualityGood, tx.Now()); err != nil {
			t.Error(err)
		}
	})
}

func reads(t *testing.T, e *Engine, path string) float64 {
	t.Helper()
	v, err := e.Value(acsi.MustRef("LD/MMXU1.X." + path + "[MX]"))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := number(v)
	if !ok {
		t.Fatalf("%s is %v", path, v)
	}
	return f
}

// Conformance: sSrv9, sRp11, sBr13.
func TestDeadBands(t *testing.T) {
	for _, tc := range []struct {
		name, attributes, set, shown string
		say, want                    []float64 // what the process says, and what is shown then
	}{
		{"none", "instMag mag", "instMag.f", "mag.f", []float64{1, 1.0001}, []float64{1, 1.0001}},
		{"zero", "instMag mag db=0 rangeC.min=0 rangeC.max=100", "instMag.f", "mag.f", []float64{1, 1.5}, []float64{1, 1.5}},
		{"of the range", "instMag mag db=1000 rangeC.min=0 rangeC.max=200", "instMag.f", "mag.f",
			[]float64{10, 11.5, 12, 12.5, 11, 10.25}, []float64{10, 10, 10, 12.5, 12.5, 10.25}},
		{"set by its dead-banded value", "instMag mag db=1000 rangeC.min=0 rangeC.max=200", "mag.f", "mag.f", []float64{10, 11.5, 12.5}, []float64{10, 10, 12.5}},
		{"without an instantaneous value", "mag db=1000 rangeC.min=0 rangeC.max=200", "mag.f", "mag.f", []float64{10, 11.5, 12.5}, []float64{10, 10, 12.5}},
		{"of a range that is not configured", "mag db=1000", "mag.f", "mag.f", []float64{10, 10.1}, []float64{10, 10.1}},
		{"of a reference", "instMag mag db=1000 dbRef=50", "instMag.f", "mag.f", []float64{10, 10.4, 10.6}, []float64{10, 10, 10.6}},
		{"of the last value", "instMag mag db=10000 dbRef=0", "instMag.f", "mag.f", []float64{10, 10.9, 11.1, 12.1, 12.3}, []float64{10, 10, 11.1, 11.1, 12.3}},
		{"around zero", "instMag mag zeroDb=1000 rangeC.min=-50 rangeC.max=50", "instMag.f", "mag.f", []float64{2, 0.5, -0.5, -1.5}, []float64{2, 0, 0, -1.5}},
		{"around zero, of a reference", "instMag mag db=0 zeroDb=1000 zeroDbRef=10", "instMag.f", "mag.f", []float64{2, 0.05, 0.2}, []float64{2, 0, 0.2}},
		{"not a number", "mag db=1000 rangeC.min=0 rangeC.max=200", "mag.f", "mag.f", []float64{10, math.NaN(), 10.5}, []float64{10, math.NaN(), 10.5}},
		{"of a vector", "instCVal.mag cVal.mag instCVal.ang cVal.ang db=1000 rangeC.min=0 rangeC.max=200", "instCVal.mag.f", "cVal.mag.f",
			[]float64{10, 11, 13}, []float64{10, 10, 13}},
		{"of an angle", "cVal.mag cVal.ang dbAng=1000", "cVal.ang.f", "cVal.ang.f", []float64{178, 181, -179, -175}, []float64{178, 178, 178, -175}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := meter(t, tc.attributes)
			for i, f := range tc.say {
				say(t, e, tc.set, f)
				want := float64(float32(tc.want[i]))
				if got := reads(t, e, tc.shown); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
					t.Errorf("after %v: %v is shown, want %v", tc.say[:i+1], got, want)
				}
				if strings.Contains(tc.attributes, "inst") {
					if got := reads(t, e, strings.Replace(strings.Replace(tc.shown, "mag.f", "instMag.f", 1), "cVal.instMag", "instCVal.mag", 1)); got != float64(float32(f)) {
						t.Errorf("after %v: the instantaneous value is %v", tc.say[:i+1], got)
					}
				}
			}
		})
	}
}

// Conformance: sSrv10.
func TestRange(t *testing.T) {
	const limits = " rangeC.hhLim=90 rangeC.hLim=80 rangeC.lLim=20 rangeC.llLim=10 rangeC.min=0 rangeC.max=100"
	for _, tc := range []struct {
		name, attributes string
		say, want        []float64
	}{
		{"without hysteresis", "mag range" + limits, []float64{50, 80, 81, 91, 89, 50, 19, 9, 11, 21},
			[]float64{rangeNormal, rangeNormal, rangeHigh, rangeHighHigh, rangeHigh, rangeNormal, rangeLow, rangeLowLow, rangeLow, rangeNormal}},
		{"with hysteresis", "mag range rangeC.limDb=2000" + limits, []float64{50, 81, 79, 77, 91, 89, 87, 50, 19, 21, 23, 9, 11, 13},
			[]float64{rangeNormal, rangeHigh, rangeHigh, rangeNormal, rangeHighHigh, rangeHighHigh, rangeHigh, rangeNormal, rangeLow, rangeLow, rangeNormal, rangeLowLow, rangeLowLow, rangeLow}},
		{"limits that are not configured", "mag range rangeC.hhLim rangeC.hLim rangeC.lLim rangeC.llLim", []float64{50, -50}, []float64{rangeNormal, rangeNormal}},
		{"only the inner ones", "mag range rangeC.hhLim rangeC.hLim=80 rangeC.lLim=20 rangeC.llLim=20", []float64{500, -500}, []float64{rangeHigh, rangeLow}},
		{"only an upper one", "mag range rangeC.hLim=80", []float64{81, 79, -500}, []float64{rangeHigh, rangeNormal, rangeNormal}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := meter(t, tc.attributes)
			for i, f := range tc.say {
				say(t, e, "mag.f", f)
				if got := reads(t, e, "range"); got != tc.want[i] {
					t.Errorf("after %v: %v, want %v", tc.say[:i+1], got, tc.want[i])
				}
			}
		})
	}
}

func TestBeyondTheScaleIsOutOfRange(t *testing.T) {
	e := meter(t, "instMag mag range db=50000 rangeC.min=0 rangeC.max=100")
	for f, want := range map[float64]acsi.Quality{50: acsi.QualityGood, 100: acsi.QualityGood, 101: acsi.QualityQuestionable | acsi.QualityOutOfRange,
		-1: acsi.QualityQuestionable | acsi.QualityOutOfRange} {
		say(t, e, "instMag.f", f)
		v, err := e.Value(acsi.MustRef("LD/MMXU1.X.q[MX]"))
		if got, ok := acsi.QualityOf(v); err != nil || !ok || got != want {
			t.Errorf("%v: got %v, want %v", f, got, want)
		}
	}
}
