// Package sim stands in for the process behind an IED: it moves the values of well-known logical nodes as a
// photovoltaic plant, a battery, a generator or a feeder would, within the limits that are set on it.
package sim

import (
	"errors"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
)

// Config is what a Simulation is made of. What happens follows from it and from the times of the steps alone.
type Config struct {
	Engine    *server.Engine
	Seed      uint64        // of clouds, loads and all else that chance decides
	Interval  time.Duration // from one step to the next; 0: one second
	Latitude  float64       // where the sun shines, in degrees to the north; 0: the equator
	Longitude float64       // in degrees to the east
}

// Simulation moves the values of one engine. Its methods, Control apart, must not be called concurrently; services of the engine may
// be used meanwhile.
type Simulation struct {
	engine   *server.Engine
	interval time.Duration
	plants   []*plant
	idle     []idle // what is not moved, but is watched over
	gears    map[acsi.Ref]*gear
	steppers map[acsi.Ref]*stepper
	last     time.Time
}

// New finds in the engine's model what it can move.
func New(cfg Config) (*Simulation, error) {
	if cfg.Engine == nil {
		return nil, errors.New("process/sim: no engine")
	}
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	s := &Simulation{engine: cfg.Engine, interval: cfg.Interval, gears: map[acsi.Ref]*gear{}, steppers: map[acsi.Ref]*stepper{}}
	for _, ld := range cfg.Engine.Model().LDs {
		s.plants = append(s.plants, newPlant(cfg, ld))
		newGears(cfg.Engine, ld, s.gears)
		newSteppers(cfg.Engine, ld, s.steppers)
	}
	s.idle = newIdle(cfg.Engine)
	return s, nil
}

// Next is when the next step is due. It is the zero time before the first: at once.
func (s *Simulation) Next() time.Time {
	if s.last.IsZero() {
		return time.Time{}
	}
	return s.last.Add(s.interval)
}

// maxGap is how much time a single step may make up for. A longer gap, as after a suspended machine, counts as this
// much in energies.
const maxGap = 15 * time.Minute

// Step moves all values to the time now, at once, and stamps them with it. A now before the last one moves no
// energies.
func (s *Simulation) Step(now time.Time) error {
	var elapsed time.Duration
	if !s.last.IsZero() {
		elapsed = min(max(0, now.Sub(s.last)), maxGap)
	}
	first := s.last.IsZero()
	s.last = now
	w := writer{}
	s.engine.Update(func(tx *server.Tx) {
		w.tx = tx
		w.at = acsi.Timestamp{Time: now, Quality: tx.Now().Quality}
		for _, p := range s.plants {
			p.step(&w, now, elapsed)
		}
		for _, stepper := range s.steppers {
			stepper.follow(&w, now)
		}
		if first {
			for _, i := range s.idle {
				i.settle(&w)
			}
		}
	})
	return w.err
}
