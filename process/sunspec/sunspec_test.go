package sunspec

import (
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// The registers of newInverter(t, 40000, 1, 701, 704).
const (
	w701      = 40080 // 701.W
	sfW701    = 40186
	ena704    = 40239 // 704.WMaxLimPctEna
	limit704  = 40240
	sfLimit   = 40279
	header704 = 40225
)

const power, limit = "PV1LD0/MMXU1.TotW.mag.f[MX]", "PV1LD0/DWMX1.WMaxSptPct.mxVal.f[MX]"

func simple() Mapping {
	return Mapping{
		Values:   []Value{{Ref: power, Point: "701.W", Factor: 0.001}, {Ref: limit, Point: "704.WMaxLimPct"}},
		Controls: []Control{{Ref: "PV1LD0/DWMX1.WMaxSptPct", Point: "704.WMaxLimPct", Enable: "704.WMaxLimPctEna"}},
	}
}

func simpleDevice(t *testing.T) *inverter {
	d := newInverter(t, 40000, 1, 701, 704)
	d.set(w701, 4250)
	d.set(sfW701, 1)
	d.set(limit704, 1000)
	d.set(sfLimit, 0xFFFF) // -1
	return d
}

func TestValuesArePolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, simpleDevice(t), simple())
		time.Sleep(time.Millisecond)
		r.want("MMXU1.TotW.mag.f[MX]", "42.5", "good")
		r.want("DWMX1.WMaxSptPct.mxVal.f[MX]", "100", "good")
		r.device.set(w701, 100)
		time.Sleep(time.Second)
		r.want("MMXU1.TotW.mag.f[MX]", "1", "good")
		r.stop()
	})
}

func TestCommandsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, simpleDevice(t), simple())
		time.Sleep(time.Millisecond)
		r.device.requests()
		cause := r.process.Control(t.Context(), server.Command{Ref: acsi.MustRef("PV1LD0/DWMX1.WMaxSptPct"), Phase: server.Executing,
			Value: value.StructureOf(value.Float(60))})
		if cause != acsi.Done {
			t.Errorf("got %v", cause)
		}
		t.Log(r.device.requests())
		if got := r.device.get(limit704); got != 600 {
			t.Errorf("limit: got %d", got)
		}
		if got := r.device.get(ena704); got != 1 {
			t.Errorf("enable: got %d", got)
		}
		r.want("DWMX1.WMaxSptPct.mxVal.f[MX]", "60", "good")
		r.stop()
	})
}
