package sim

import (
	"math"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// plant is what one logical device measures and drives.
type plant struct {
	cfg    Config
	seed   uint64
	source source
	meters []*meter
	mmxus  []*mmxu
	breaks []server.Handle // positions of the circuit breakers
}

// flow is power at the terminals, in W and VAr, in the direction that the device counts as positive: out of a
// generator or a discharging battery, into a load.
type flow struct {
	w, vAr float64
}

// source is what makes the power flow.
type source interface {
	step(w *writer, now time.Time, elapsed time.Duration) flow
}

// newPlant finds out from the classes of its logical nodes, else from its name, what kind of plant ld is.
func newPlant(cfg Config, ld *acsi.LogicalDevice) *plant {
	p := &plant{cfg: cfg, seed: seedOf(cfg.Seed, ld.Name)}
	nodes := map[string]acsi.Ref{} // the first of each class
	for _, ln := range ld.LNs {
		ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0)
		if err != nil {
			continue
		}
		if _, found := nodes[ln.Node.Class]; !found {
			nodes[ln.Node.Class] = ref
		}
		switch ln.Node.Class {
		case "MMXU":
			p.mmxus = append(p.mmxus, newMMXU(cfg.Engine, ref))
		case "MMTR":
			p.meters = append(p.meters, newMeter(cfg.Engine, ref))
		case "XCBR":
			if h, ok := handle(cfg.Engine, ref, "Pos.stVal", acsi.ST); ok {
				p.breaks = append(p.breaks, h)
			}
		}
	}
	has := func(classes ...string) bool {
		for _, class := range classes {
			if _, found := nodes[class]; found {
				return true
			}
		}
		return false
	}
	inst := strings.ToUpper(ld.Inst)
	switch {
	case has("DSTO", "DBAT", "ZBAT", "DSTR") || has("DGEN") && strings.HasPrefix(inst, "BAT"):
		p.source = newBattery(p, nodes)
	case has("DPVC", "DPVA", "DPVM") || has("DGEN") && strings.HasPrefix(inst, "PV"):
		p.source = newSolar(p, nodes)
	case has("DGEN"):
		p.source = newGenerator(p, nodes)
	default:
		p.source = &load{plant: p}
	}
	return p
}

// closed reports whether power can flow: no breaker of the device is known to be open.
func (p *plant) closed(tx *server.Tx) bool {
	for _, h := range p.breaks {
		if v := tx.Value(h); v.Kind() == value.BitString && v.BitText() != "10" {
			return false
		}
	}
	return true
}

func (p *plant) step(w *writer, now time.Time, elapsed time.Duration) {
	f := p.source.step(w, now, elapsed)
	if !p.closed(w.tx) {
		f = flow{}
	}
	ripple := 1 - 0.002*(1+noise(p.seed+20, now, 2*time.Second)) // downwards: a limit holds for what is measured
	f.w, f.vAr = f.w*ripple, f.vAr*ripple
	hz := frequency(p.cfg.Seed, now)
	for _, m := range p.mmxus {
		m.step(w, now, p.seed, f, hz)
	}
	_, takes := p.source.(*load)
	for _, m := range p.meters {
		m.step(w, f.w, elapsed, takes)
	}
}

// meter is a MMTR: energy towards the busbar is supplied, energy away from it demanded.
//
// IEC 61850-7-4, class MMTR.
type meter struct {
	supplied, demanded, net *counter
}

func newMeter(e *server.Engine, ln acsi.Ref) *meter {
	return &meter{newCounter(e, ln, "SupWh"), newCounter(e, ln, "DmdWh"), newCounter(e, ln, "TotWh")}
}

func (m *meter) step(w *writer, watts float64, elapsed time.Duration, takes bool) {
	wh := watts * elapsed.Hours()
	m.net.add(w, math.Abs(wh))
	if takes {
		wh = -wh
	}
	m.supplied.add(w, max(0, wh))
	m.demanded.add(w, max(0, -wh))
}

// phase is one of three phases, or one of three pairs of them.
type phase struct {
	name      string
	magnitude *quantity
	angle     *quantity
}

// mmxu is a MMXU.
//
// IEC 61850-7-4, class MMXU.
type mmxu struct {
	totW, totVAr, totVA, totPF, hz *quantity
	ppv, phV, a, w, vAr            []phase
	voltage                        float64 // phase to phase, in V, as it was at the start
	typical                        float64 // active power, in W, as it was at the start
}

var pairs, single = []string{"phsAB", "phsBC", "phsCA"}, []string{"phsA", "phsB", "phsC"}

func newMMXU(e *server.Engine, ln acsi.Ref) *mmxu {
	phases := func(do string, names []string) []phase {
		var list []phase
		for _, name := range names {
			if m := measured(e, ln, do+"."+name); m != nil {
				list = append(list, phase{name, m, angle(e, ln, do+"."+name)})
			}
		}
		return list
	}
	m := &mmxu{
		totW: measured(e, ln, "TotW"), totVAr: measured(e, ln, "TotVAr"), totVA: measured(e, ln, "TotVA"),
		totPF: measured(e, ln, "TotPF"), hz: measured(e, ln, "Hz"),
		ppv: phases("PPV", pairs), phV: phases("PhV", single), a: phases("A", single), w: phases("W", single), vAr: phases("VAr", single),
	}
	if m.phV == nil {
		m.phV = phases("PNV", single)
	}
	e.Update(func(tx *server.Tx) {
		m.voltage = 400
		if len(m.ppv) > 0 {
			m.voltage = m.ppv[0].magnitude.orElse(tx, m.voltage)
		} else if len(m.phV) > 0 {
			m.voltage = math.Sqrt(3) * m.phV[0].magnitude.orElse(tx, m.voltage/math.Sqrt(3))
		}
		m.typical = m.totW.orElse(tx, 0)
	})
	return m
}

func (m *mmxu) step(w *writer, now time.Time, seed uint64, f flow, hz float64) {
	va := math.Hypot(f.w, f.vAr)
	pf := 1.0
	if va > 0 {
		pf = f.w / va
	}
	m.totW.set(w, f.w)
	m.totVAr.set(w, f.vAr)
	m.totVA.set(w, va)
	m.totPF.set(w, pf)
	m.hz.set(w, hz)
	lag := math.Atan2(f.vAr, f.w) * 180 / math.Pi
	for i, name := range single {
		u := m.voltage * (1 + 0.01*noise(seed+uint64(i), now, time.Minute))
		share := (1 + 0.02*noise(seed+10+uint64(i), now, 2*time.Minute)) / 3
		turn := -120 * float64(i)
		set(w, m.ppv, pairs[i], u, wrap(turn+30))
		set(w, m.phV, name, u/math.Sqrt(3), wrap(turn))
		set(w, m.a, name, va*share*math.Sqrt(3)/u, wrap(turn-lag))
		set(w, m.w, name, f.w*share, 0)
		set(w, m.vAr, name, f.vAr*share, 0)
	}
}

func set(w *writer, phases []phase, name string, magnitude, angle float64) {
	for _, p := range phases {
		if p.name == name {
			p.magnitude.set(w, magnitude)
			p.angle.set(w, angle)
		}
	}
}

// wrap brings degrees into -180 … 180.
func wrap(deg float64) float64 { return deg - 360*math.Round(deg/360) }
