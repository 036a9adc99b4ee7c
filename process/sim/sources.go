package sim

import (
	"math"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// at most this much flows where a model gives no rating, in W.
const defaultRating = 100_000

// limit is a set point that holds while its function is on.
type limit struct {
	*quantity
	behaviour state
	percent   bool // of the rating
}

func newLimit(e *server.Engine, nodes map[string]acsi.Ref, class, do string) limit {
	ln, ok := nodes[class]
	if !ok {
		return limit{}
	}
	return limit{quantity: setting(e, ln, do), behaviour: status(e, ln, "Beh")}
}

// inForce is the set point in W; ok is false where there is none, or its function is off.
func (l limit) inForce(tx *server.Tx, rating float64) (watts float64, ok bool) {
	watts, ok = l.get(tx)
	if l.percent {
		watts *= rating / 100
	}
	return watts, ok && l.behaviour.isOn(tx)
}

// unit is a generating or storing unit: its rating, its limits and how it is.
type unit struct {
	plant     *plant
	rating    *quantity
	limits    []limit
	requested *quantity // the limit as the function shows it
	operating state     // GnOpSt
	energy    *counter
	hours     *seconds
}

func newUnit(p *plant, nodes map[string]acsi.Ref, class string) unit {
	e := p.cfg.Engine
	u := unit{plant: p}
	if ln, ok := nodes[class]; ok {
		for _, do := range []string{"WMaxRtg", "WRtg", "GnWRtg"} {
			if u.rating == nil {
				u.rating = setting(e, ln, do)
			}
		}
		u.operating = status(e, ln, "GnOpSt")
		u.energy = newCounter(e, ln, "TotWh")
		u.hours = newSeconds(e, ln, "OpTmsRs")
	}
	percent := newLimit(e, nodes, "DWMX", "WMaxSptPct")
	percent.percent = true
	u.limits = []limit{
		newLimit(e, nodes, class, "WMax"),
		newLimit(e, nodes, "DWMX", "WMaxSpt"),
		percent,
		newLimit(e, nodes, "DPMC", "WLimSpt1"),
		newLimit(e, nodes, "DRCC", "OutWSet"),
	}
	if ln, ok := nodes["DWMX"]; ok {
		u.requested = measured(e, ln, "ReqWLim")
	}
	return u
}

// most is the power that the limits leave, in W, and never negative.
func (u *unit) most(w *writer) float64 {
	rating := u.rating.orElse(w.tx, defaultRating)
	most := rating
	for _, l := range u.limits {
		if watts, ok := l.inForce(w.tx, rating); ok {
			most = min(most, watts)
		}
	}
	most = max(0, most)
	u.requested.set(w, most)
	return most
}

// ran shows that the unit gave watts for the time elapsed.
func (u *unit) ran(w *writer, watts float64, elapsed time.Duration) {
	if watts != 0 {
		u.operating.setName(w, "Operating")
		u.hours.add(w, elapsed)
	} else {
		u.operating.setName(w, "Not operating")
	}
	u.energy.add(w, math.Abs(watts)*elapsed.Hours())
}

// seconds counts time in a whole number.
type seconds struct {
	h    server.Handle
	rest time.Duration
}

func newSeconds(e *server.Engine, ln acsi.Ref, do string) *seconds {
	s := status(e, ln, do)
	if !s.ok || s.h.Node().Type.Kind != value.Integer {
		return nil
	}
	return &seconds{h: s.h}
}

func (s *seconds) add(w *writer, d time.Duration) {
	if s == nil {
		return
	}
	s.rest += d
	whole := s.rest / time.Second
	s.rest -= whole * time.Second
	i, _ := w.tx.Value(s.h).Int()
	if i += int64(whole); i > math.MaxInt32 {
		i = 0 // it rolls over
	}
	w.set(s.h, value.Int(i))
}

// solar is a photovoltaic plant.
type solar struct {
	unit
	dcW, dcA, dcV         *quantity
	temperature, sunshine *quantity
}

func newSolar(p *plant, nodes map[string]acsi.Ref) *solar {
	s := &solar{unit: newUnit(p, nodes, "DGEN")}
	e := p.cfg.Engine
	if ln, ok := nodes["MMDC"]; ok {
		s.dcW, s.dcA, s.dcV = measured(e, ln, "Watt"), measured(e, ln, "Amp"), measured(e, ln, "Vol")
	}
	if ln, ok := nodes["MMET"]; ok {
		s.temperature, s.sunshine = measured(e, ln, "EnvTmp"), measured(e, ln, "HorInsol")
	}
	return s
}

// The losses of an inverter, and the voltage of an array at its best point, in V.
const (
	efficiency   = 0.975
	arrayVoltage = 720
)

func (s *solar) step(w *writer, now time.Time, elapsed time.Duration) flow {
	cfg := s.plant.cfg
	light := clearSky(sunHeight(now, cfg.Latitude, cfg.Longitude)) * clouds(cfg.Seed+2, now)
	watts := min(s.rating.orElse(w.tx, defaultRating)*light/1000, s.most(w))
	s.ran(w, watts, elapsed)
	volts := arrayVoltage * (1 + 0.02*noise(s.plant.seed+3, now, time.Minute))
	if light == 0 {
		volts = 0
	}
	s.dcW.set(w, watts/efficiency)
	s.dcV.set(w, volts)
	amps := 0.0
	if volts > 0 {
		amps = watts / efficiency / volts
	}
	s.dcA.set(w, amps)
	s.sunshine.set(w, light)
	s.temperature.set(w, 15+light/100+2*noise(cfg.Seed+3, now, time.Hour))
	return flow{w: watts, vAr: 0.1 * watts}
}

// generator runs steadily, such as an engine or a turbine.
type generator struct{ unit }

func newGenerator(p *plant, nodes map[string]acsi.Ref) *generator {
	return &generator{newUnit(p, nodes, "DGEN")}
}

func (g *generator) step(w *writer, now time.Time, elapsed time.Duration) flow {
	want := g.rating.orElse(w.tx, defaultRating) * (0.7 + 0.1*noise(g.plant.seed, now, 10*time.Minute))
	watts := min(want, g.most(w))
	g.ran(w, watts, elapsed)
	return flow{w: watts, vAr: 0.2 * watts}
}

// battery charges around noon and discharges in the evening, unless a set point says otherwise.
type battery struct {
	unit
	setPoints          []limit
	chargeRating       *quantity
	chargeMost         *quantity
	capacity, reserve  *quantity
	stored, storedPct  *quantity
	volts, innerVolts  *quantity
	amps               *quantity
	temperature        *quantity
	tooHigh, tooLow    state
	highVolts, lowVolt *quantity
	asked              *quantity
	wh                 float64
	started            bool
}

func newBattery(p *plant, nodes map[string]acsi.Ref) *battery {
	class := "DSTO"
	if _, ok := nodes[class]; !ok {
		class = "DGEN"
	}
	b := &battery{unit: newUnit(p, nodes, class)}
	e := p.cfg.Engine
	b.setPoints = []limit{newLimit(e, nodes, "DAGC", "WSpt"), newLimit(e, nodes, "DPMC", "WSpt1")}
	if ln, ok := nodes["DAGC"]; ok {
		b.asked = measured(e, ln, "ReqW")
	}
	if ln, ok := nodes["DSTO"]; ok {
		b.chargeRating, b.chargeMost = setting(e, ln, "ChaWMaxRtg"), setting(e, ln, "ChaWMax")
		b.capacity, b.reserve = setting(e, ln, "WhRtg"), setting(e, ln, "MinRsvWhPct")
		b.stored, b.storedPct = measured(e, ln, "EffWh"), measured(e, ln, "EffWhPct")
	}
	if ln, ok := nodes["DBAT"]; ok {
		b.innerVolts, b.temperature = measured(e, ln, "InBatV"), measured(e, ln, "InBatTmp")
	}
	if ln, ok := nodes["ZBAT"]; ok {
		b.volts, b.amps = measured(e, ln, "Vol"), measured(e, ln, "Amp")
		b.tooHigh, b.tooLow = status(e, ln, "BatHi"), status(e, ln, "BatLo")
		b.highVolts, b.lowVolt = setting(e, ln, "HiBatVal"), setting(e, ln, "LoBatVal")
	}
	return b
}

// The losses of the converter, one way, and the nominal voltage of a battery, in V.
const (
	oneWay         = 0.96
	batteryVoltage = 768
)

func (b *battery) step(w *writer, now time.Time, elapsed time.Duration) flow {
	capacity := b.capacity.orElse(w.tx, 2*defaultRating)
	if !b.started {
		b.started = true
		b.wh = b.stored.orElse(w.tx, capacity/2)
	}
	watts := b.within(w, b.wanted(w, now), capacity, elapsed)
	if watts > 0 {
		b.wh -= watts / oneWay * elapsed.Hours()
	} else {
		b.wh -= watts * oneWay * elapsed.Hours()
	}
	b.wh = max(0, min(capacity, b.wh))
	b.ran(w, watts, elapsed)
	b.show(w, now, watts, capacity)
	return flow{w: watts, vAr: 0.02 * math.Abs(watts)}
}

// wanted is the power that is asked for, in W: by a set point, else by the time of the day.
func (b *battery) wanted(w *writer, now time.Time) float64 {
	rating := b.rating.orElse(w.tx, defaultRating)
	for _, l := range b.setPoints {
		if watts, ok := l.inForce(w.tx, rating); ok {
			b.asked.set(w, watts)
			return watts
		}
	}
	watts := 0.5 * rating * (dailyLoad(b.plant.cfg.Seed, now, b.plant.cfg.Longitude) - 0.7) / 0.3
	b.asked.set(w, watts)
	return watts
}

// within keeps watts in the limits of power, and of the energy that is there or fits.
func (b *battery) within(w *writer, watts, capacity float64, elapsed time.Duration) float64 {
	charge := b.chargeRating.orElse(w.tx, b.rating.orElse(w.tx, defaultRating))
	if x, ok := b.chargeMost.get(w.tx); ok {
		charge = min(charge, max(0, x))
	}
	watts = max(-charge, min(b.most(w), watts))
	reserve := 0.1
	if x, ok := b.reserve.get(w.tx); ok {
		reserve = max(0, min(100, x)) / 100
	}
	switch {
	case watts > 0 && b.wh-watts/oneWay*elapsed.Hours() < reserve*capacity,
		watts < 0 && b.wh-watts*oneWay*elapsed.Hours() > capacity:
		return 0
	}
	return watts
}

func (b *battery) show(w *writer, now time.Time, watts, capacity float64) {
	share := b.wh / capacity
	inner := batteryVoltage * (0.92 + 0.16*share)
	volts := inner * (1 - 0.005*watts/defaultRating)
	b.stored.set(w, b.wh)
	b.storedPct.set(w, 100*share)
	b.innerVolts.set(w, inner)
	b.volts.set(w, volts)
	b.amps.set(w, watts/volts)
	b.temperature.set(w, 22+3*math.Abs(watts)/defaultRating+0.5*noise(b.plant.seed, now, 10*time.Minute))
	b.tooHigh.setBool(w, volts > b.highVolts.orElse(w.tx, math.Inf(1)))
	b.tooLow.setBool(w, volts < b.lowVolt.orElse(w.tx, 0))
}

// load takes power in the course of the day. It is as large as the model's first value lets think.
type load struct {
	plant *plant
}

func (l *load) step(w *writer, now time.Time, _ time.Duration) flow {
	typical := 0.0
	for _, m := range l.plant.mmxus {
		typical = max(typical, m.typical)
	}
	if typical == 0 {
		typical = defaultRating
	}
	watts := typical * dailyLoad(l.plant.seed, now, l.plant.cfg.Longitude) / 0.7
	return flow{w: watts, vAr: 0.2 * watts}
}
