package server

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// What services have written of settings, configurations and descriptions is there after a restart, parts, wholes and elements of arrays
// alike, and durable before it is answered; what is again as engineered is not kept.
//
// Conformance: sCnf3.
func TestWhatServicesHaveWrittenOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := &shelf{}
		p := newDERPlant(t, "pv.cid", Config{State: state})
		point := func(x, y float32) value.Value { return value.StructureOf(value.Float(x), value.Float(y)) }
		p.set("DGEN1.WMax.setMag.f[SP]", value.Float(80))
		if n := state.count(tableValues); n != 1 {
			t.Errorf("%d records when the write is answered, want 1", n)
		}
		p.set("DGEN1.WMax.d[DC]", value.Visible("for the night"))
		p.set("DVVR1.VVArCrv.crvPts(1)[SP]", point(0.5, 0.25))
		p.set("DGEN1.WMax.units[CF]", value.StructureOf(value.Int(61), value.Int(0)))
		p.set("MMXU1.TotW.d[DC]", value.Visible("another"))
		before := state.count(tableValues)
		engineered, err := p.Value(acsi.MustRef("PV1LD0/DGEN1.WMax.minVal.f[CF]"))
		if err != nil {
			t.Fatal(err)
		}
		p.set("DGEN1.WMax.minVal.f[CF]", value.Float(1))
		p.set("DGEN1.WMax.minVal.f[CF]", engineered)
		if n := state.count(tableValues); n != before {
			t.Errorf("%d records after a value is as engineered again, want %d", n, before)
		}
		p.stop()
		p = newDERPlant(t, "pv.cid", Config{State: state})
		want := map[string]string{
			"DGEN1.WMax.setMag.f[SP]": "float32 80", "DGEN1.WMax.d[DC]": `visible-string "for the night"`, "DGEN1.WMax.minVal.f[CF]": engineered.String(),
			"DVVR1.VVArCrv.crvPts(1)[SP]": point(0.5, 0.25).String(), "DGEN1.WMax.units[CF]": "{integer 61, integer 0}", "MMXU1.TotW.d[DC]": `visible-string "another"`,
		}
		p.expect("after a restart", want)

		// The process sets what a client has set before.
		h, err := p.Handle(acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]"))
		if err != nil {
			t.Fatal(err)
		}
		p.Update(func(tx *Tx) { err = tx.Set(h, value.Float(70)) })
		if err != nil {
			t.Fatal(err)
		}
		p.wait(2 * time.Second)
		full := func(err error) {
			state.mu.Lock()
			defer state.mu.Unlock()
			state.full = err
		}
		full(errors.New("no room"))
		p.set("DVVR1.VVArCrv.crvPts(1).xVal[SP]", value.Float(0.75))
		full(nil)
		p.wait(time.Minute)
		p.stop()
		p = newDERPlant(t, "pv.cid", Config{State: state})
		want["DGEN1.WMax.setMag.f[SP]"], want["DVVR1.VVArCrv.crvPts(1)[SP]"] = "float32 70", point(0.75, 0.25).String()
		p.expect("after another", want)
	})
}

// What was written holds until it is engineered anew, or does not fit the model any more.
func TestWhatWasWrittenMakesRoomForTheEngineering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ref = "PV1LD0/DGEN1.WMax.setMag.f[SP]"
		record := func(was, is value.Value) []byte {
			data, _ := was.AppendBinary(nil)
			data, _ = is.AppendBinary(data)
			return data
		}
		good := record(value.Float(100), value.Float(80))
		for _, tc := range []struct {
			name, ref string
			data      []byte
			want      string
		}{
			{"as it was engineered then", ref, good, "float32 80"},
			{"engineered anew", ref, record(value.Float(99), value.Float(80)), "float32 100"},
			{"of another type", ref, record(value.Float(100), value.Int(80)), "float32 100"},
			{"damaged", ref, good[:len(good)-1], "float32 100"},
			{"with more behind it", ref, append(good, 0), "float32 100"},
			{"empty", ref, nil, "float32 100"},
			{"no reference", "x", good, "float32 100"},
			{"no such object", "PV1LD0/DGEN9.WMax.setMag.f[SP]", good, "float32 100"},
			{"no leaf", "PV1LD0/DGEN1.WMax.setMag[SP]", good, "float32 100"},
			{"what no service writes", "PV1LD0/MMXU1.TotW.mag.f[MX]", good, "float32 100"},
		} {
			state := &shelf{records: map[shelfKey][]byte{{tableValues, tc.ref, 0}: tc.data}}
			p := newDERPlant(t, "pv.cid", Config{State: state})
			p.expect(tc.name, map[string]string{"DGEN1.WMax.setMag.f[SP]": tc.want})
			p.wait(time.Second)
			if kept := state.count(tableValues) == 1; kept != (tc.want == "float32 80") {
				t.Errorf("%s: it is kept: %t", tc.name, kept)
			}
			p.stop()
		}
	})
}
