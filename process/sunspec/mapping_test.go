package sunspec

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestMappingsThatAreWrong(t *testing.T) {
	bit := func(n int) *int { return &n }
	num := func(f float64) *float64 { return &f }
	value := func(v Value) Mapping { v.Line = 7; return Mapping{Values: []Value{v}} }
	control := func(c Control) Mapping { c.Line = 8; return Mapping{Controls: []Control{c}} }
	setting := func(c Control) Mapping { c.Line = 9; return Mapping{Settings: []Control{c}} }
	with := func(m Mapping, change func(*Mapping)) Mapping { change(&m); return m }
	for _, tc := range []struct {
		name string
		m    Mapping
		want string
	}{
		{"no address", with(simple(), func(m *Mapping) { m.Connect = "" }), "connect is missing"},
		{"a port that is none", with(simple(), func(m *Mapping) { m.Connect = "inverter:modbus" }), `connect: "inverter:modbus" is no address`},
		{"nothing mapped", Mapping{}, "it maps nothing"},
		{"polled too often", with(simple(), func(m *Mapping) { m.Poll = time.Millisecond }), "poll: 1ms is not 100ms to 1h0m0s"},
		{"no time to answer", with(simple(), func(m *Mapping) { m.Timeout = -1 }), "timeout: -1ns is not 10ms to 1m0s"},
		{"too much", with(simple(), func(m *Mapping) { m.Values = make([]Value, mostEntries) }), "are more than 10000"},

		{"no point", value(Value{Ref: powerRef, Point: "701.Watt"}), `line 7: ` + powerRef + ` <-> 701.Watt: model 701 has no point "Watt"`},
		{"padding", value(Value{Ref: powerRef, Point: "1.Pad"}), "it is padding"},
		{"a factor that is none", value(Value{Ref: powerRef, Point: "701.W", Factor: inf}), "factor and offset must be finite"},
		{"text with a factor", value(Value{Ref: powerRef, Point: "1.SN", Factor: 2}), "it is text: factor, offset, map and bit are for numbers"},
		{"no such bit", value(Value{Ref: powerRef, Point: "701.Alrm", Bit: bit(32)}), "it has no bit 32"},
		{"a bit of a real number", value(Value{Ref: powerRef, Point: "113.W", Bit: bit(0)}), "it has no bit 0"},
		{"a bit and a factor", value(Value{Ref: powerRef, Point: "701.Alrm", Bit: bit(1), Factor: 2}), "bit goes with none of"},
		{"a map and a factor", value(Value{Ref: powerRef, Point: "701.St", Map: map[int64]string{1: "2"}, Factor: 2}), "map goes with neither"},
		{"no reference", value(Value{Ref: "PV1LD0", Point: "701.W"}), "line 7: PV1LD0 <-> 701.W: the functional constraint is missing"},
		{"a reference that is none", value(Value{Ref: "PV1LD0/MMXU1..", Point: "701.W"}), "line 7: PV1LD0/MMXU1.."},
		{"not in the model", value(Value{Ref: "PV1LD0/MMXU1.TotQ.mag.f[MX]", Point: "701.W"}), "the model has no PV1LD0/MMXU1.TotQ.mag.f[MX]"},
		{"a structure", value(Value{Ref: "PV1LD0/MMXU1.TotW.mag[MX]", Point: "701.W"}), "it has parts: name one of them"},
		{"not for the device", value(Value{Ref: "PV1LD0/DGEN1.NamPlt.lnNs[EX]", Point: "1.SN"}), "what is under EX is not for the device to say"},
		{"text for a number", value(Value{Ref: powerRef, Point: "1.SN"}), "the point is text, and the attribute is not"},
		{"a number for text", value(Value{Ref: "PV1LD0/LPHD1.PhyNam.serNum[DC]", Point: "701.W"}), "the attribute is no number"},
		{"a number for a time", value(Value{Ref: "PV1LD0/MMXU1.TotW.t[MX]", Point: "701.W"}), "the attribute is no number"},
		{"a name that is none", value(Value{Ref: "PV1LD0/DGEN1.DEROpSt.stVal[ST]", Point: "701.St", Map: map[int64]string{1: "running"}}), "map: 1:"},
		{"twice the same", Mapping{Values: []Value{{Line: 3, Ref: powerRef, Point: "701.W"}, {Line: 4, Ref: powerRef, Point: "701.VA"}}}, "line 4: " + powerRef + " <-> 701.VA: line 3 has it, too"},

		{"no point to command", control(Control{Ref: limitDO, Point: "704"}), "line 8: " + limitDO + ` <-> 704: "704" is no point`},
		{"read only", control(Control{Ref: limitDO, Point: "701.W"}), "it is read only"},
		{"enable is read only", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", Enable: "701.St"}), "<-> 701.St: it is read only"},
		{"enable is none", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", Enable: "704.Ena"}), `<-> 704.Ena: model 704 has no point "Ena"`},
		{"with is none", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", With: []Write{{"704.Mod", 1}}}), `<-> 704.Mod: model 704 has no point "Mod"`},
		{"limits", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", Min: num(2), Max: num(1)}), "min 2 is above max 1"},
		{"verify", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", Verify: time.Hour}), "verify: 1h0m0s is not 0 to 1m"},
		{"a factor of a command", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", Factor: inf}), "factor and offset must be finite"},
		{"a map and an offset", control(Control{Ref: limitDO, Point: "704.WMaxLimPct", Offset: 1, Map: map[int64]string{1: "1"}}), "map goes with neither"},
		{"no data object", control(Control{Ref: limitRef, Point: "704.WMaxLimPct"}), "it is no data object"},
		{"no reference to command", control(Control{Ref: "x/", Point: "704.WMaxLimPct"}), "line 8: x/ <-> 704.WMaxLimPct:"},
		{"not to be controlled", control(Control{Ref: "PV1LD0/MMXU1.TotW", Point: "704.WMaxLimPct"}), "it cannot be controlled"},
		{"an ambiguous map", control(Control{Ref: "PV1LD0/LLN0.LEDRs", Point: "704.WSetEna", Map: map[int64]string{1: "true", 2: "true"}}), "map: 1 and 2 mean the same value"},
		{"a map of what is not there", control(Control{Ref: "PV1LD0/LLN0.LEDRs", Point: "704.WSetEna", Map: map[int64]string{1: "2"}}), "map: 1:"},
		{"twice the same command", Mapping{Controls: []Control{{Line: 3, Ref: limitDO, Point: "704.WSetPct"}, {Line: 4, Ref: limitDO, Point: "704.WMaxLimPct"}}}, "line 4: " + limitDO + " <-> 704.WMaxLimPct: line 3 has it, too"},

		{"no setting", setting(Control{Ref: powerRef, Point: "702.WMax"}), "clients write settings under SP and CF"},
		{"a setting that nobody writes", setting(Control{Ref: "PV1LD0/DWMX1.WMaxSptPct.ctlModel[CF]", Point: "702.WMax"}), "no client writes a number there"},
		{"a setting that has parts", setting(Control{Ref: "PV1LD0/DGEN1.WMax.setMag[SP]", Point: "702.WMax"}), "it has parts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.m.Connect == "" && tc.name != "no address" {
				tc.m.Connect = "192.0.2.17"
			}
			p, err := New(Config{Mapping: tc.m})
			if err == nil {
				err = p.Attach(newEngine(t, nil))
			}
			wrong, ok := errors.AsType[*MappingError](err)
			if !ok || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if wrong.Hint == "" {
				t.Errorf("%v: no hint", err)
			}
		})
	}
}

var inf = math.Inf(1)
