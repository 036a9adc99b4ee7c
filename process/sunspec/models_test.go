package sunspec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// SunSpec Information Model Reference: the lengths of the models, the points by register behind the header, and the scale factors.
func TestModelsAreAsDefined(t *testing.T) {
	t.Run("length", func(t *testing.T) {
		lengths := map[int]int{1: 66, 101: 50, 102: 50, 103: 50, 111: 60, 112: 60, 113: 60, 120: 26, 121: 30, 122: 44, 123: 24, 124: 24,
			701: 153, 702: 50, 703: 17, 704: 65, 713: 7}
		for id, m := range models() {
			if want := lengths[id]; want != m.length || want != 0 && m.size(nil) != want {
				t.Errorf("model %d: the length is given as %d and its points have %d registers, want %d", id, m.length, m.size(nil), want)
			}
		}
		// As a device has them whose definition says so.
		for _, tc := range []struct {
			id     int
			counts map[string]int
			want   int
		}{
			{705, map[string]int{"NPt": 4, "NCrv": 3}, 67},
			{706, map[string]int{"NPt": 2, "NCrv": 2}, 31},
			{707, map[string]int{"NPt": 5, "NCrvSet": 2}, 105},
			{708, map[string]int{"NPt": 5, "NCrvSet": 2}, 105},
			{709, map[string]int{"NPt": 5, "NCrvSet": 2}, 135},
			{710, map[string]int{"NPt": 5, "NCrvSet": 2}, 135},
			{711, map[string]int{"NCtl": 2}, 32},
			{712, map[string]int{"NPt": 6, "NCrv": 2}, 44},
		} {
			if got := models()[tc.id].size(tc.counts); got != tc.want {
				t.Errorf("model %d with %v: got %d registers, want %d", tc.id, tc.counts, got, tc.want)
			}
		}
	})
	t.Run("points", func(t *testing.T) {
		counts := map[string]int{"NPt": 4, "NCrv": 3, "NCrvSet": 2, "NCtl": 2}
		for text, want := range map[string]int{
			"1.Mn": 0, "1.SN": 48, "1.DA": 64,
			"103.A": 0, "103.PhVphA": 8, "103.W": 12, "103.Hz": 14, "103.WH": 22, "103.DCW": 29, "103.TmpCab": 31, "103.St": 36, "103.Evt1": 38, "103.EvtVnd4": 48,
			"113.W": 20, "113.Hz": 22, "113.WH": 30, "113.St": 46,
			"120.WRtg": 1, "120.PFRtgQ4": 15, "120.MaxDisChaRte": 23,
			"121.WMax": 0, "121.ConnPh": 19,
			"122.PVConn": 0, "122.ActWh": 3, "122.ActVArhQ4": 23, "122.WAval": 29, "122.StActCtl": 33, "122.Tms": 39, "122.Ris": 42,
			"123.Conn": 2, "123.WMaxLimPct": 3, "123.WMaxLim_Ena": 7, "123.OutPFSet": 8, "123.VArPct_Ena": 20,
			"124.StorCtl_Mod": 3, "124.ChaState": 6, "124.OutWRte": 10, "124.ChaGriSet": 15,
			"701.W": 8, "701.Hz": 15, "701.TotWhInj": 17, "701.WL1": 39, "701.TotVarhAbsL3": 104, "701.ThrotPct": 108, "701.MnAlrmInfo": 121,
			"702.WMaxRtg": 0, "702.CtrlModes": 21, "702.WMax": 24, "702.IntIslandCat": 42,
			"703.ES": 0, "703.ESHzHi": 3, "703.ESDlyRemTms": 13,
			"704.WMaxLimPctEna": 12, "704.WMaxLimPct": 13, "704.WSet": 22, "704.VarSet": 36, "704.AntiIslEna": 50,
			"704.PFWInj.PF": 57, "704.PFWInjRvrt.Ext": 60, "704.PFWAbs[1].PF": 61, "704.PFWAbsRvrt.Ext": 64,
			"705.RvrtTms": 5, "705.Crv[1].ActPt": 13, "705.Crv[1].RspTms": 20, "705.Crv[1].Pt[1].V": 23, "705.Crv[2].Pt[3].Var": 46,
			"707.Crv[1].ReadOnly": 7, "707.Crv[1].MustTrip.Pt[1].V": 9, "707.Crv[1].MayTrip.ActPt": 21, "707.Crv[2].MomCess.Pt[4].Tms": 85,
			"711.Ctl[2].DbOf": 22, "711.Ctl[2].PMin": 30, "712.Crv[1].Pt[1].W": 16, "713.SoC": 2, "713.Sta": 4,
		} {
			p, err := ParsePoint(text)
			if err != nil {
				t.Error(err)
				continue
			}
			if got, err := p.place(counts); err != nil || got != want {
				t.Errorf("%s: got register %d, %v; want %d", text, got, err, want)
			}
		}
	})
	t.Run("scale factors", func(t *testing.T) {
		for id, m := range models() {
			everyPoint(fmt.Sprint(id), &m.group, func(text string, _ *point) {
				p, err := ParsePoint(text)
				if err != nil {
					t.Error(err)
				} else if p.scale != nil && p.scale.point.kind != scale {
					t.Errorf("%s is scaled by %s, which is no scale factor", text, p.scale.point.name)
				}
			})
		}
	})
}

func everyPoint(prefix string, g *group, f func(text string, p *point)) {
	for _, p := range g.points {
		f(prefix+"."+p.name, p)
	}
	for _, sub := range g.groups {
		everyPoint(prefix+"."+sub.name+"[1]", sub, f)
	}
}

func TestPointsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "write MODEL.POINT",
		"W":                  "write MODEL.POINT",
		"x.W":                "write MODEL.POINT",
		"999.W":              "there is no model 999 here: those known are 1, 101-103, 111-113, 120-124, 701-713",
		"713.Soc":            `model 713 has no point "Soc": it has WHRtg, WHAvail, SoC, SoH, Sta`,
		"705.Crv.ActPt":      "group Crv of model 705 needs a number from 1 on, as Crv[1]",
		"705.Crv[0].ActPt":   "needs a number from 1 on",
		"705.Crv[x].ActPt":   "needs a number from 1 on",
		"705.Crv[1.ActPt":    "needs a number from 1 on",
		"705.Crv[1].Pt[1]":   `has no point "Pt[1]": it has ActPt, DeptRef`,
		"705.Crvs[1].ActPt":  `has no group "Crvs"`,
		"704.PFWInj[2].PF":   "needs a number from 1 on",
		"705.Crv[99999].Pri": "needs a number from 1 on",
	} {
		if _, err := ParsePoint(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestTablesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"uint16: A":                          "line 1: \"uint16: A\" is out of place",
		"model x y":                          "line 1:",
		"model 1":                            "needs an id and a name",
		"model 1 a like 2":                   "there is no model 2 yet",
		"model 1 a\nuint17: A":               `line 2: there is no type "uint17"`,
		"model 1 a\nuint16 A":                "lacks a colon",
		"model 1 a\nend":                     "line 2",
		"model 1 a\ngroup b\nend\nuint16: A": "out of place",
	} {
		if _, err := parseModels(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// SunSpec Device Information Model Specification, 4.2 and 6.4.
func TestRegistersAreValues(t *testing.T) {
	none := math.NaN()
	const noScale = 0x8000
	for _, tc := range []struct {
		name   string
		point  string
		regs   []uint16
		factor uint16
		want   float64
		err    error
	}{
		{"uint16", "702.WMax", []uint16{5000}, 1, 50000, nil},
		{"uint16, not implemented", "702.WMax", []uint16{0xFFFF}, 1, none, errNotImplemented},
		{"uint16, the largest", "702.WMax", []uint16{0xFFFE}, 0, 65534, nil},
		{"int16", "701.W", []uint16{0xFFFF}, 0, -1, nil},
		{"int16, the least", "701.W", []uint16{0x8001}, 0, -32767, nil},
		{"int16, not implemented", "701.W", []uint16{0x8000}, 0, none, errNotImplemented},
		{"int32", "704.WSet", []uint16{0xFFFF, 0xFFFE}, 0, -2, nil},
		{"int32, not implemented", "704.WSet", []uint16{0x8000, 0}, 0, none, errNotImplemented},
		{"uint32", "701.Hz", []uint16{0, 49960}, 0xFFFD, 49.96, nil},
		{"uint32, not implemented", "701.Hz", []uint16{0xFFFF, 0xFFFF}, 0xFFFD, none, errNotImplemented},
		{"uint64", "701.TotWhInj", []uint16{0, 1, 0, 2}, 0, 1<<32 + 2, nil},
		{"uint64, not implemented", "701.TotWhInj", []uint16{0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF}, 0, none, errNotImplemented},
		{"acc32", "103.WH", []uint16{1, 0}, 3, 65536000, nil},
		{"acc32, nothing accumulated", "103.WH", []uint16{0, 0}, 3, none, errNotImplemented},
		{"enum16", "701.St", []uint16{1}, 0, 1, nil},
		{"enum16, not implemented", "701.St", []uint16{0xFFFF}, 0, none, errNotImplemented},
		{"bitfield32", "701.Alrm", []uint16{0, 5}, 0, 5, nil},
		{"bitfield32, not implemented", "701.Alrm", []uint16{0xFFFF, 0xFFFF}, 0, none, errNotImplemented},
		{"float32", "113.W", []uint16{0x42F6, 0xE979}, 0, float64(float32(123.456)), nil},
		{"float32, not implemented", "113.W", []uint16{0x7FC0, 0}, 0, none, errNotImplemented},
		{"float32, infinite", "113.W", []uint16{0x7F80, 0}, 0, none, errNotImplemented},
		{"scaled down", "701.LLV", []uint16{2418}, 0xFFFF, 241.8, nil},
		{"scaled down as far as can be", "701.LLV", []uint16{1}, 0xFFF6, 1e-10, nil},
		{"a scale factor that is not implemented", "701.LLV", []uint16{2418}, noScale, none, errNoScale},
		{"a scale factor that is none", "701.LLV", []uint16{2418}, 11, none, errNoScale},
		{"padding", "1.Pad", []uint16{0x8000}, 0, none, errNotImplemented},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := ParsePoint(tc.point)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.point.decode(tc.regs, p.scale != nil, tc.factor)
			if !errors.Is(err, tc.err) || tc.err == nil && got.number != tc.want {
				t.Fatalf("% x: got %v, %v; want %v, %v", tc.regs, got.number, err, tc.want, tc.err)
			}
			if tc.err != nil || p.point.kind == accumulator {
				return
			}
			if again, err := p.point.encode(tc.want, p.scale != nil, tc.factor); err != nil || !slices.Equal(again, tc.regs) {
				t.Errorf("%v is written as %04x, %v; want %04x", tc.want, again, err, tc.regs)
			}
		})
	}
	for text, regs := range map[string][]uint16{
		"Busbar":  {0x4275, 0x7362, 0x6172},
		"PVI-100": {0x2050, 0x5649, 0x2d31, 0x3030, 0, 0x4141},
		"a?b":     {0x61ff, 0x6200},
		"":        {0, 0},
	} {
		p, _ := ParsePoint("1.Mn")
		if got, err := p.point.decode(regs, false, 0); got.text != text || (err != nil) != (text == "") {
			t.Errorf("% x: got %q, %v, want %q", regs, got.text, err, text)
		}
	}
}

func TestWhatDoesNotFitIsNotWritten(t *testing.T) {
	for _, tc := range []struct {
		point  string
		value  float64
		factor uint16
		want   string
	}{
		{"704.WMaxLimPct", -0.1, 0xFFFF, "-0.1 does not fit the point: it takes 0 to 6553.4"},
		{"704.WMaxLimPct", 6553.5, 0xFFFF, "it takes 0 to 6553.4"},
		{"704.WSetPct", -3276.8, 0xFFFF, "it takes -3276.7 to 3276.7"},
		{"704.WSet", 1 << 31, 0, "does not fit"},
		{"704.WMaxLimPct", math.NaN(), 0, "does not fit"},
		{"704.WMaxLimPct", math.Inf(1), 0, "does not fit"},
		{"704.WMaxLimPct", 50, 0x8000, "its scale factor is not implemented"},
		{"113.W", math.MaxFloat64, 0, "does not fit"},
	} {
		p, err := ParsePoint(tc.point)
		if err != nil {
			t.Fatal(err)
		}
		if regs, err := p.point.encode(tc.value, p.scale != nil, tc.factor); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s = %v: got %04x, %v; want %q", tc.point, tc.value, regs, err, tc.want)
		}
	}
}

func TestReadsArePlanned(t *testing.T) {
	spans := []span{{2, 300, 302}, {1, 100, 101}, {1, 224, 225}, {1, 225, 226}, {1, 104, 106}, {2, 301, 303}, {1, 100, 101}}
	var got []string
	for _, b := range plan(spans) {
		got = append(got, fmt.Sprint(b.address, "+", len(b.regs)))
	}
	if diff := cmp.Diff([]string{"100+125", "225+1", "300+3"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDevicesAreDiscovered(t *testing.T) {
	for _, tc := range []struct {
		name   string
		base   int
		change func(d *inverter)
		want   string // "": models 1, 704 and 705 are found
	}{
		{"at 40000", 40000, nil, ""},
		{"at 50000", 50000, nil, ""},
		{"at 0", 0, nil, ""},
		{"no marker", 40000, func(d *inverter) { d.set(40000, 0) }, "no SunSpec models at 40000, 50000 or 0"},
		{"the end is not marked", 40000, func(d *inverter) { delete(d.regs, 40208); delete(d.regs, 40209) }, ""},
		{"the common model without padding", 40000, func(d *inverter) {
			for at := 40069; at < 40210; at++ {
				d.set(at, d.get(at+1))
			}
			d.set(40003, 65)
		}, ""},
		{"nothing but a marker", 40000, func(d *inverter) { delete(d.regs, 40002) }, "register 40002: the device refuses reading"},
		{"model 0", 40000, func(d *inverter) { d.set(40070, 0) }, "there is a model 0 at register 40070"},
		{"length 0", 40000, func(d *inverter) { d.set(40071, 0) }, "model 704 at register 40070 has the length 0"},
		{"beyond the last register", 40000, func(d *inverter) { d.set(40071, 0xFFFF) }, "model 704 at register 40070 has 65535 registers, which go beyond the last one"},
		{"up to the last register", 40000, func(d *inverter) { d.set(40071, 65536-40072) }, "the chain of models goes beyond the last register"},
		{"without end", 0, func(d *inverter) {
			for at := 2; at < 2000; at++ {
				d.set(at, 1)
			}
		}, "the chain has more than 256 models"},
		{"busy", 40000, func(d *inverter) { d.behave(func(r request) response { return r.exception(6) }) }, "exception 6, server device busy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newInverter(t, tc.base, 1, 704, 705)
				if tc.change != nil {
					tc.change(d)
				}
				c, _ := d.dial(t.Context(), "", "")
				defer d.serving.Wait()
				defer c.Close()
				got, err := discover(t.Context(), &conn{net: c, unit: 1, timeout: time.Second})
				if tc.want != "" {
					if err == nil || !strings.Contains(err.Error(), tc.want) {
						t.Fatalf("got %v, want %q", err, tc.want)
					}
					return
				}
				if err != nil || got.base != tc.base || len(got.models) != 3 {
					t.Fatalf("got %+v, %v", got, err)
				}
			})
		})
	}
}

func TestModelsOfOddLength(t *testing.T) {
	for _, tc := range []struct {
		name, point string
		change      func(d *inverter)
		want        string
	}{
		{"one fixed", "704.WMaxLimPct", func(d *inverter) { d.set(40071, 64) }, "its model 704 has 64 registers where SunSpec gives it 65: its points cannot be told"},
		{"one that repeats", "705.Ena", func(d *inverter) { d.set(40138, 66) }, "its model 705 has 66 registers where NCrv 3 and NPt 4 make it 67"},
		{"one too short to repeat", "705.Ena", func(d *inverter) { d.set(40138, 12) }, "its model 705 has 12 registers where SunSpec gives it 13 at least"},
		{"counts that are too large", "705.Ena", func(d *inverter) { d.set(40142, 0xFFFE) }, "where NCrv 3 and NPt 65534 make it"},
		{"counts that are not implemented", "705.Ena", func(d *inverter) { d.set(40142, 0xFFFF) }, "where NCrv 3 and NPt 0 make it 43"},
		{"a curve too far", "705.Crv[4].ActPt", func(*inverter) {}, "the device has 3 of Crv: there is no Crv[4]"},
		{"no such model", "103.W", func(*inverter) {}, "the device has no model 103"},
		{"the padding that is not there", "1.DA", func(d *inverter) {}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newInverter(t, 40000, 1, 704, 705)
				tc.change(d)
				net, _ := d.dial(t.Context(), "", "")
				defer d.serving.Wait()
				defer net.Close()
				c := &conn{net: net, unit: 1, timeout: time.Second}
				p, err := ParsePoint(tc.point)
				if err != nil {
					t.Fatal(err)
				}
				found := &device{models: map[int]*found{1: {start: 40004, length: 66},
					704: {start: 40072, length: int(d.get(40071))}, 705: {start: 40139, length: int(d.get(40138))}}}
				if f := found.models[p.model.id]; f != nil {
					if err := f.measure(t.Context(), c, p.model); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := found.locate(&p); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			})
		})
	}
}
