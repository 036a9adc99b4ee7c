package sunspec

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// wMax702 is 702.WMax of settingsDevice.
const wMax702 = 40096

func settings() Mapping {
	return Mapping{
		Poll:     time.Minute,
		Values:   []Value{{Ref: "PV1LD0/DGEN1.WMax.setMag.f[SP]", Point: "702.WMax", Factor: 0.001}},
		Settings: []Control{{Ref: "PV1LD0/DGEN1.WMax.setMag.f[SP]", Point: "702.WMax", Factor: 0.001}},
	}
}

func settingsDevice(t *testing.T) *inverter {
	d := newInverter(t, 40000, 1, 702)
	d.set(wMax702, 1000)
	d.set(40115, 2) // 702.W_SF
	return d
}

// write writes as a client does, whose rights do not matter here.
func (r *rig) write(ref string, v value.Value) {
	r.Helper()
	at := acsi.MustRef(ref)
	h, err := r.engine.Handle(at)
	if err != nil {
		r.Fatal(err)
	}
	r.engine.Update(func(tx *server.Tx) { err = tx.Set(h, v) })
	if err != nil {
		r.Fatal(err)
	}
	r.process.written(at, v)
	synctest.Wait()
}

func TestSettingsAreWritten(t *testing.T) {
	const ref = "PV1LD0/DGEN1.WMax.setMag.f[SP]"
	check := func(r *rig, device uint16, has string) {
		r.Helper()
		if got := r.device.get(wMax702); got != device {
			r.Errorf("the device has %d, want %d", got, device)
		}
		if got := r.value(ref); got != has {
			r.Errorf("the IED has %s, want %s", got, has)
		}
	}
	t.Run("a leaf", func(t *testing.T) {
		inBubble(t, settingsDevice, settings(), func(r *rig) {
			check(r, 1000, "100")
			r.write(ref, value.Float(75))
			check(r, 750, "75")
		})
	})
	t.Run("a structure that holds it", func(t *testing.T) {
		inBubble(t, settingsDevice, settings(), func(r *rig) {
			r.write("PV1LD0/DGEN1.WMax.setMag[SP]", value.StructureOf(value.Float(75)))
			check(r, 750, "75")
			r.write("PV1LD0/DGEN1.WMax[SP]", value.StructureOf(value.StructureOf(value.Float(60))))
			check(r, 600, "60")
		})
	})
	t.Run("an element of an array", func(t *testing.T) {
		m := settings()
		m.Settings[0].Ref = "PV1LD0/DVVR1.VVArCrv.crvPts(2).yVal[SP]"
		inBubble(t, settingsDevice, m, func(r *rig) {
			var points []value.Value
			for i := range 4 {
				points = append(points, value.StructureOf(value.Float(float32(i)), value.Float(float32(10*i))))
			}
			r.write("PV1LD0/DVVR1.VVArCrv.crvPts[SP]", value.ArrayOf(points...))
			if got := r.device.get(wMax702); got != 200 {
				t.Errorf("got %d, want 200", got)
			}
		})
	})
	t.Run("something else", func(t *testing.T) {
		inBubble(t, settingsDevice, settings(), func(r *rig) {
			r.device.requests()
			r.write("PV1LD0/DGEN1.VMax.setMag.f[SP]", value.Float(410))
			if got := r.device.requests(); got != nil {
				t.Errorf("asked %q", got)
			}
		})
	})
	t.Run("the device does not take it", func(t *testing.T) {
		inBubble(t, settingsDevice, settings(), func(r *rig) {
			r.write(ref, value.Float(-1))
			check(r, 1000, "100")
			r.device.behave(func(q request) response {
				if q.function == writeMultiple {
					return q.exception(illegalValue)
				}
				return r.device.work(q)
			})
			r.write(ref, value.Float(75))
			check(r, 1000, "100")
		})
	})
	t.Run("the device is away", func(t *testing.T) {
		inBubble(t, settingsDevice, settings(), func(r *rig) {
			r.device.shut(true)
			time.Sleep(2 * time.Minute)
			r.write(ref, value.Float(75))
			r.device.shut(false)
			time.Sleep(time.Minute)
			synctest.Wait()
			check(r, 1000, "100")
		})
	})
	t.Run("while values are polled", func(t *testing.T) {
		m := settings()
		m.Poll = leastPoll
		inBubble(t, settingsDevice, m, func(r *rig) {
			r.device.behave(func(q request) response {
				out := r.device.work(q)
				out.wait = 40 * time.Millisecond
				return out
			})
			for i := range 20 {
				time.Sleep(time.Duration(7*i) * time.Millisecond)
				r.write(ref, value.Float(float32(50+i)))
				if got, want := r.value(ref), fmt.Sprint(50+i); got != want {
					t.Errorf("the value was overwritten: got %s, want %s", got, want)
				}
			}
			time.Sleep(time.Second)
			check(r, 690, "69")
		})
	})
}
