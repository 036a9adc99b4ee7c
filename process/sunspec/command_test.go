package sunspec

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

func TestCommandsAreWritten(t *testing.T) {
	inBubble(t, simpleDevice, simple(), func(r *rig) {
		r.device.requests()
		if cause := r.command(r.Context(), limitDO, percent(60)); cause != acsi.Done {
			t.Errorf("got %v", cause)
		}
		want := []string{"read 40279 1", "write 40240 600", "write 40239 1", "read 40080 107", "read 40240 40"}
		if diff := cmp.Diff(want, r.device.requests()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		r.limit("60", "good")
		r.device.set(sfLimit, 0)
		if cause := r.command(r.Context(), limitDO, percent(60)); cause != acsi.Done || r.device.get(limit704) != 60 {
			t.Errorf("with another scale factor %d is written, and the answer is %v", r.device.get(limit704), cause)
		}
	})
}

func TestCommandsThatAreRefused(t *testing.T) {
	f := func(f float64) *float64 { return &f }
	m := Mapping{Controls: []Control{
		{Ref: limitDO, Point: "704.WMaxLimPct", Min: f(10), Max: f(90)},
		{Ref: "PV1LD0/DPMC1.WLimSpt1", Point: "704.WSetPct", With: []Write{{"704.WSetMod", 0}}, Enable: "704.WSetEna"},
	}}
	device := func(t *testing.T) *inverter {
		d := simpleDevice(t)
		d.set(40281, 0xFFFF) // 704.WSetPct_SF
		return d
	}
	refuse := func(code byte) func(r *rig, q request) response {
		return func(r *rig, q request) response {
			if q.function == writeMultiple {
				return q.exception(code)
			}
			return r.device.work(q)
		}
	}
	for _, tc := range []struct {
		name  string
		ref   string
		value value.Value
		does  func(r *rig, q request) response
		want  acsi.AddCause
	}{
		{"not mapped", "PV1LD0/DVVR1.Mod", value.Int(1), nil, acsi.NotSupported},
		{"below the limit", limitDO, percent(9.9), nil, acsi.InconsistentParameters},
		{"above the limit", limitDO, percent(90.1), nil, acsi.InconsistentParameters},
		{"no number", limitDO, value.Text("60"), nil, acsi.InconsistentParameters},
		{"an empty structure", limitDO, value.StructureOf(), nil, acsi.InconsistentParameters},
		{"more than the registers take", "PV1LD0/DPMC1.WLimSpt1", percent(3276.8), nil, acsi.InconsistentParameters},
		{"the device does not take the value", limitDO, percent(50), refuse(illegalValue), acsi.InconsistentParameters},
		{"the device does not let it be written", limitDO, percent(50), refuse(illegalAddress), acsi.NotSupported},
		{"the device cannot write", limitDO, percent(50), refuse(illegalFunction), acsi.NotSupported},
		{"the device is busy", limitDO, percent(50), refuse(6), acsi.BlockedByProcess},
		{"the device answers nonsense", limitDO, percent(50), func(r *rig, q request) response {
			if q.function == writeMultiple {
				q.address++
			}
			return r.device.work(q)
		}, acsi.AbortionByCommunicationLoss},
		{"the device does not answer", limitDO, percent(50), func(r *rig, q request) response {
			if q.function == writeMultiple {
				return response{}
			}
			return r.device.work(q)
		}, acsi.AbortionByCommunicationLoss},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, device, m, func(r *rig) {
				if tc.does != nil {
					r.device.behave(func(q request) response { return tc.does(r, q) })
				}
				if got := r.command(r.Context(), tc.ref, tc.value); got != tc.want {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			})
		})
	}
	t.Run("what does not fit writes nothing", func(t *testing.T) {
		inBubble(t, device, m, func(r *rig) {
			r.device.requests()
			r.command(r.Context(), "PV1LD0/DPMC1.WLimSpt1", percent(3276.8))
			for _, q := range r.device.requests() {
				if strings.HasPrefix(q, "write") {
					t.Errorf("%s", q)
				}
			}
		})
	})
	t.Run("nobody waits any more", func(t *testing.T) {
		inBubble(t, device, m, func(r *rig) {
			r.device.behave(func(q request) response {
				out := r.device.work(q)
				out.wait = time.Second
				return out
			})
			ctx, cancel := context.WithTimeout(r.Context(), 1500*time.Millisecond)
			defer cancel()
			if got := r.command(ctx, "PV1LD0/DPMC1.WLimSpt1", percent(50)); got != acsi.TimeLimitOver {
				t.Errorf("got %v", got)
			}
			time.Sleep(20 * time.Second)
			if got := r.device.get(ena704 + 8); got == 1 {
				t.Error("the function was enabled though nobody waited any more")
			}
		})
	})
}

// A value is read back where the mapping asks for it.
func TestWhatIsWrittenIsReadBack(t *testing.T) {
	m := simple()
	m.Controls[0].Verify = 3 * time.Second
	for _, tc := range []struct {
		name  string
		takes time.Duration // until the device has it
		want  acsi.AddCause
	}{
		{"at once", 0, acsi.Done},
		{"after a while", time.Second, acsi.Done},
		{"too late", time.Minute, acsi.AbortionDueToDeviation},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, simpleDevice, m, func(r *rig) {
				r.device.behave(func(q request) response {
					if q.function != writeMultiple || q.address != limit704 || tc.takes == 0 {
						return r.device.work(q)
					}
					before := r.device.get(limit704)
					out := r.device.work(q)
					r.device.set(limit704, before)
					time.AfterFunc(tc.takes, func() { r.device.set(limit704, q.regs[0]) })
					return out
				})
				if got := r.command(r.Context(), limitDO, percent(50)); got != tc.want {
					t.Errorf("got %v, want %v", got, tc.want)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestCommandsByName(t *testing.T) {
	m := Mapping{Controls: []Control{
		{Ref: "PV1LD0/DPVC1.ArrModCtr", Point: "704.WSetMod", Map: map[int64]string{0: "Maximum power point tracking", 1: "Power limiting"}},
		{Ref: "PV1LD0/LLN0.LEDRs", Point: "704.WMaxLimPctEna"},
	}}
	inBubble(t, simpleDevice, m, func(r *rig) {
		w := r.process.controls[acsi.MustRef("PV1LD0/DPVC1.ArrModCtr")]
		if cause := r.command(r.Context(), w.ref.String(), w.mapped[1]); cause != acsi.Done || r.device.get(ena704+9) != 1 {
			t.Errorf("got %d, %v; want 1", r.device.get(ena704+9), cause)
		}
		if cause := r.command(r.Context(), w.ref.String(), value.Int(99)); cause != acsi.InconsistentParameters {
			t.Errorf("a value that is not in the map got %v", cause)
		}
		if cause := r.command(r.Context(), "PV1LD0/LLN0.LEDRs", value.Bool(true)); cause != acsi.Done || r.device.get(ena704) != 1 {
			t.Errorf("got %d, %v; want 1", r.device.get(ena704), cause)
		}
		if cause := r.command(r.Context(), "PV1LD0/LLN0.LEDRs", value.Bool(false)); cause != acsi.Done || r.device.get(ena704) != 0 {
			t.Errorf("got %d, %v; want 0", r.device.get(ena704), cause)
		}
		if cause := r.process.Control(r.Context(), server.Command{Ref: w.ref, Phase: server.Deselected}); cause != acsi.Done {
			t.Errorf("the end of a selection got %v", cause)
		}
	})
}

// Many commands at once are carried out one after the other.
func TestCommandsWaitForEachOther(t *testing.T) {
	inBubble(t, simpleDevice, simple(), func(r *rig) {
		causes := make(chan acsi.AddCause, 2*mostJobs)
		for i := range cap(causes) {
			go func() { causes <- r.command(r.Context(), limitDO, percent(float32(i))) }()
		}
		done, blocked := 0, 0
		for range cap(causes) {
			switch cause := <-causes; cause {
			case acsi.Done:
				done++
			case acsi.BlockedByProcess:
				blocked++
			default:
				t.Errorf("got %v", cause)
			}
		}
		if done < mostJobs {
			t.Errorf("%d were carried out and %d refused", done, blocked)
		}
	})
}
