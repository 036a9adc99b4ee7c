package sunspec

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// The registers of newInverter(t, 40000, 1, 701, 704).
const (
	st701    = 40073 // 701.St
	alarm701 = 40076
	w701     = 40080
	sfW701   = 40186
	ena704   = 40239 // 704.WMaxLimPctEna
	limit704 = 40240
	sfLimit  = 40279
)

const (
	powerRef = "PV1LD0/MMXU1.TotW.mag.f[MX]"
	limitRef = "PV1LD0/DWMX1.WMaxSptPct.mxVal.f[MX]"
	limitDO  = "PV1LD0/DWMX1.WMaxSptPct"
)

// simple maps the power and its limit.
func simple() Mapping {
	return Mapping{
		Values:   []Value{{Ref: powerRef, Point: "701.W", Factor: 0.001}, {Ref: limitRef, Point: "704.WMaxLimPct"}},
		Controls: []Control{{Ref: limitDO, Point: "704.WMaxLimPct", Enable: "704.WMaxLimPctEna"}},
	}
}

// simpleDevice feeds 42.5 kW, and is not limited.
func simpleDevice(t *testing.T) *inverter {
	d := newInverter(t, 40000, 1, 701, 704)
	d.set(st701, 1)
	d.set(w701, 4250)
	d.set(sfW701, 1)
	d.set(limit704, 1000)
	d.set(sfLimit, 0xFFFF) // -1
	return d
}

// inBubble runs a test whose time is its own. It waits until the first values have come.
func inBubble(t *testing.T, device func(*testing.T) *inverter, m Mapping, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, device(t), m)
		defer r.stop()
		synctest.Wait()
		f(r)
	})
}

func (r *rig) power(v, q string) { r.Helper(); r.want("MMXU1.TotW.mag.f[MX]", v, q) }

func (r *rig) limit(v, q string) { r.Helper(); r.want("DWMX1.WMaxSptPct.mxVal.f[MX]", v, q) }

// command has the process asked, and then carry it out where it agrees.
func (r *rig) command(ctx context.Context, ref string, v value.Value) acsi.AddCause {
	c := server.Command{Ref: acsi.MustRef(ref), Value: v}
	for _, c.Phase = range []server.Phase{server.Selecting, server.Operating, server.Executing} {
		if cause := r.process.Control(ctx, c); cause != acsi.Done {
			return cause
		}
	}
	return acsi.Done
}

func percent(f float32) value.Value { return value.StructureOf(value.Float(f)) }

func TestValuesArePolled(t *testing.T) {
	inBubble(t, simpleDevice, simple(), func(r *rig) {
		r.power("42.5", "good")
		r.limit("100", "good")
		before, _ := r.held("PV1LD0/MMXU1.TotW.t[MX]").Time()
		r.device.set(w701, 100)
		r.device.requests()
		time.Sleep(time.Second)
		synctest.Wait()
		r.power("1", "good")
		if after, ok := r.held("PV1LD0/MMXU1.TotW.t[MX]").Time(); !ok || after.Sub(before) != time.Second {
			t.Errorf("the time was %v, and is %v", before, after)
		}
		if diff := cmp.Diff([]string{"read 40080 107", "read 40240 40"}, r.device.requests()); diff != "" {
			t.Errorf("one poll asks (-want +got)\n%s", diff)
		}
	})
}

// What a device does not implement, or cannot scale, is invalid; the last value stays.
func TestValuesThatAreNone(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(d *inverter)
		value  string
		want   string
	}{
		{"not implemented", func(d *inverter) { d.set(w701, 0x8000) }, "42.5", "invalid"},
		{"no scale factor", func(d *inverter) { d.set(sfW701, 0x8000) }, "42.5", "invalid inconsistent"},
		{"a scale factor beyond 10", func(d *inverter) { d.set(sfW701, 0xFFF5) }, "42.5", "invalid inconsistent"},
		{"another scale factor", func(d *inverter) { d.set(sfW701, 0); d.set(w701, 0xFFFF) }, "-0.001", "good"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, simpleDevice, simple(), func(r *rig) {
				tc.change(r.device)
				time.Sleep(time.Second)
				synctest.Wait()
				r.power(tc.value, tc.want)
				r.device.set(w701, 1)
				r.device.set(sfW701, 3)
				time.Sleep(time.Second)
				synctest.Wait()
				r.power("1", "good")
			})
		})
	}
}

// Values are old as soon as the device does not answer, and invalid once it is gone; commands are refused.
func TestDeviceIsLostAndFound(t *testing.T) {
	inBubble(t, simpleDevice, simple(), func(r *rig) {
		r.device.shut(true)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		r.power("42.5", "questionable oldData")
		if cause := r.command(r.Context(), limitDO, percent(50)); cause != acsi.BlockedByProcess {
			t.Errorf("a command got %v", cause)
		}
		time.Sleep(8400 * time.Millisecond)
		synctest.Wait()
		r.power("42.5", "questionable oldData")
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		r.power("42.5", "invalid oldData")
		r.limit("100", "invalid oldData")
		r.device.mu.Lock()
		dials := r.device.dials
		r.device.down = false
		r.device.mu.Unlock()
		if dials < 3 || dials > 6 {
			t.Errorf("it was dialled %d times in 10 s", dials)
		}
		time.Sleep(mostPause)
		synctest.Wait()
		r.power("42.5", "good")
		if cause := r.command(r.Context(), limitDO, percent(50)); cause != acsi.Done {
			t.Errorf("a command got %v", cause)
		}
	})
}

// The pauses grow, each of a length of its own, to half a minute.
func TestDeviceThatStaysAwayIsTriedLessAndLess(t *testing.T) {
	inBubble(t, func(t *testing.T) *inverter { d := simpleDevice(t); d.down = true; return d }, simple(), func(r *rig) {
		var at []time.Duration
		start, seen := time.Now(), 1
		for time.Since(start) < 5*time.Minute {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			r.device.mu.Lock()
			if r.device.dials > seen {
				seen = r.device.dials
				at = append(at, time.Since(start))
			}
			r.device.mu.Unlock()
		}
		least, pause := 500*time.Millisecond, time.Duration(0)
		for i := range at {
			if pause = at[i]; i > 0 {
				pause -= at[i-1]
			}
			if pause < least-20*time.Millisecond || pause > mostPause+20*time.Millisecond {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, least, mostPause)
			}
			least = min(2*least, mostPause/2)
		}
		if len(at) < 10 || len(at) > 25 {
			t.Errorf("%d tries in 5 minutes", len(at))
		}
	})
}

// Devices close connections on which nothing happens for a while. That is no loss.
func TestIdleConnectionIsMadeAgain(t *testing.T) {
	m := simple()
	m.Poll = time.Minute
	t.Run("poll", func(t *testing.T) {
		inBubble(t, simpleDevice, m, func(r *rig) {
			r.device.shut(false)
			r.device.set(w701, 100)
			time.Sleep(time.Minute)
			synctest.Wait()
			r.power("1", "good")
		})
	})
	t.Run("command", func(t *testing.T) {
		inBubble(t, simpleDevice, m, func(r *rig) {
			r.device.shut(false)
			if cause := r.command(r.Context(), limitDO, percent(50)); cause != acsi.Done {
				t.Errorf("the command got %v", cause)
			}
			r.limit("50", "good")
		})
	})
	t.Run("setting", func(t *testing.T) {
		inBubble(t, settingsDevice, settings(), func(r *rig) {
			r.device.shut(false)
			r.write("PV1LD0/DGEN1.WMax.setMag.f[SP]", value.Float(80))
			if got := r.device.get(wMax702); got != 800 {
				t.Errorf("got %d, want 800", got)
			}
		})
	})
	t.Run("a device that closes whenever it is to write", func(t *testing.T) {
		inBubble(t, simpleDevice, m, func(r *rig) {
			r.device.behave(func(q request) response {
				if q.function == writeMultiple {
					return response{close: true}
				}
				return r.device.work(q)
			})
			if cause := r.command(r.Context(), limitDO, percent(50)); cause != acsi.AbortionByCommunicationLoss {
				t.Errorf("the command got %v", cause)
			}
			synctest.Wait()
			r.power("42.5", "good")
		})
	})
}

func TestDeviceThatMisbehavesIsLeft(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(d *inverter, r request) response
	}{
		{"another transaction", func(d *inverter, r request) response {
			r.transaction++
			return d.work(r)
		}},
		{"no answer", func(*inverter, request) response { return response{} }},
		{"an answer that is late", func(d *inverter, r request) response {
			out := d.work(r)
			out.wait = 3 * time.Second
			return out
		}},
		{"no Modbus", func(*inverter, request) response { return response{octets: []byte("HTTP/1.1 400 Bad Request\r\n\r\n")} }},
		{"exceptions alone", func(_ *inverter, r request) response { return r.exception(11) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, simpleDevice, simple(), func(r *rig) {
				r.device.behave(func(q request) response { return tc.answer(r.device, q) })
				time.Sleep(4 * time.Second)
				synctest.Wait()
				r.power("42.5", "questionable oldData")
				time.Sleep(10 * time.Second)
				synctest.Wait()
				r.power("42.5", "invalid oldData")
				r.device.behave(nil)
				time.Sleep(mostPause + 3*time.Second)
				synctest.Wait()
				r.power("42.5", "good")
			})
		})
	}
}

// Where some registers are refused, the values in them alone grow old.
func TestPartOfADevice(t *testing.T) {
	inBubble(t, simpleDevice, simple(), func(r *rig) {
		r.device.behave(func(q request) response {
			if q.address == limit704 {
				return q.exception(illegalAddress)
			}
			return r.device.work(q)
		})
		time.Sleep(time.Second)
		synctest.Wait()
		r.power("42.5", "good")
		r.limit("100", "questionable oldData")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.power("42.5", "good")
		r.limit("100", "invalid oldData")
	})
}

// A device may lack what is mapped. The rest works.
func TestMappingThatTheDeviceDoesNotFit(t *testing.T) {
	m := simple()
	m.Values = append(m.Values, Value{Ref: "PV1LD0/MMXU1.TotVAr.mag.f[MX]", Point: "103.VAr"})
	m.Controls = append(m.Controls, Control{Ref: "PV1LD0/DPMC1.WLimSpt1", Point: "123.WMaxLimPct"})
	inBubble(t, simpleDevice, m, func(r *rig) {
		r.power("42.5", "good")
		r.want("MMXU1.TotVAr.mag.f[MX]", "6.1", "invalid oldData")
		if cause := r.command(r.Context(), "PV1LD0/DPMC1.WLimSpt1", percent(50)); cause != acsi.NotSupported {
			t.Errorf("a command for a model that the device lacks got %v", cause)
		}
	})
}

// A value that is read apart from its scale factor is not scaled by the factor of another moment.
func TestScaleFactorOfAnotherRead(t *testing.T) {
	const points, curves = 20, 3
	const vSF, v, end = 40072 + 10, 40072 + 13 + 2*(10+2*points) + 10 + 2*19, 40072 + 13 + curves*(10+2*points) // of 705.Crv[3].Pt[20].V
	device := func(t *testing.T) *inverter {
		d := newInverter(t, 40000, 1)
		d.set(40070, 705, end-40072)
		d.set(40072, make([]uint16, end-40072)...)
		d.set(40075, points, curves)
		d.set(vSF, 1)
		d.set(v, 4250)
		d.set(end, endOfChain, 0)
		return d
	}
	m := Mapping{Values: []Value{{Ref: powerRef, Point: "705.Crv[3].Pt[20].V", Factor: 0.001}}}
	inBubble(t, device, m, func(r *rig) {
		r.power("42.5", "good")
		r.device.requests()
		first := true
		r.device.behave(func(q request) response {
			out := r.device.work(q)
			if q.address == vSF && first { // between the two reads
				first = false
				r.device.set(v, 425)
				r.device.set(vSF, 2)
			}
			return out
		})
		time.Sleep(time.Second)
		synctest.Wait()
		factor, value := fmt.Sprintf("read %d 1", vSF), fmt.Sprintf("read %d 1", v)
		if diff := cmp.Diff([]string{factor, value, factor, factor, value, factor}, r.device.requests()); diff != "" {
			t.Errorf("asked (-want +got)\n%s", diff)
		}
		r.power("42.5", "good")
	})
}

// Enumerations, bits, text and positions.
func TestValuesOfEveryKind(t *testing.T) {
	bit := func(n int) *int { return &n }
	m := Mapping{
		Values: []Value{
			{Ref: "PV1LD0/DGEN1.DEROpSt.stVal[ST]", Point: "701.St", Map: map[int64]string{0: "Off", 1: "Running"}},
			{Ref: "PV1LD0/LPHD1.PwrUp.stVal[ST]", Point: "701.Alrm", Bit: bit(17)},
			{Ref: "PV1LD0/LLN0.Loc.stVal[ST]", Point: "701.ConnSt"},
			{Ref: "PV1LD0/LPHD1.PhyNam.serNum[DC]", Point: "1.SN"},
			{Ref: "PV1LD0/MMTR1.SupWh.actVal[ST]", Point: "701.TotWhInj", Factor: 0.001},
			{Ref: "PV1LD0/LPHD1.Proxy.stVal[ST]", Point: "704.WMaxLimPctEna", Map: map[int64]string{0: "false", 1: "true"}},
			{Ref: "PV1LD0/DVVR1.VVArCrv.crvPts(1).xVal[SP]", Point: "704.WMaxLimPct"},
			{Ref: "PV1LD0/DGEN1.OpTmsRs.stVal[ST]", Point: "701.TotWhAbs"},
		},
	}
	device := func(t *testing.T) *inverter {
		d := simpleDevice(t)
		d.set(alarm701, 2, 1)
		d.set(st701+2, 0)
		d.set(40052, 0x5341, 0x2d31, 0) // SN
		d.set(40089, 0, 0, 0x0064, 0x51B0)
		d.set(40190, 0)
		d.set(40093, 0, 1, 0, 0)
		d.set(ena704, 1)
		return d
	}
	inBubble(t, device, m, func(r *rig) {
		r.want("LPHD1.PwrUp.stVal[ST]", "true", "good")
		r.want("LLN0.Loc.stVal[ST]", "false", "good")
		r.want("LPHD1.Proxy.stVal[ST]", "true", "good")
		r.want("MMTR1.SupWh.actVal[ST]", "6575", "good")
		if got := r.value("PV1LD0/LPHD1.PhyNam.serNum[DC]"); got != `"SA-1"` {
			t.Errorf("serNum: got %s", got)
		}
		if got := r.value("PV1LD0/DVVR1.VVArCrv.crvPts(1).xVal[SP]"); got != "100" {
			t.Errorf("xVal: got %s", got)
		}
		if got := r.quality("PV1LD0/DGEN1.OpTmsRs.q[ST]"); got != "invalid overflow" { // 2^32 in an INT32
			t.Errorf("OpTmsRs: got %s", got)
		}
		running := r.value("PV1LD0/DGEN1.DEROpSt.stVal[ST]")
		r.device.set(st701, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.value("PV1LD0/DGEN1.DEROpSt.stVal[ST]"); got == running || r.quality("PV1LD0/DGEN1.DEROpSt.q[ST]") != "good" {
			t.Errorf("DEROpSt: got %s", got)
		}
		r.device.set(st701, 7)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.quality("PV1LD0/DGEN1.DEROpSt.q[ST]"); got != "invalid outOfRange" {
			t.Errorf("DEROpSt of no meaning: got %s", got)
		}
	})
}
