// Package sunspec lets a SunSpec device, as most inverters and batteries are, be the process behind an IED: it polls the device's
// points over Modbus TCP, and writes what clients command, as a mapping says.
package sunspec

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// Config says which device is the process, and what of it is which value.
type Config struct {
	Mapping Mapping
	Logger  *slog.Logger                                                         // nil: silent
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: as net.Dialer does
}

// How long it takes until the device is tried again.
const (
	firstPause = time.Second
	mostPause  = 30 * time.Second
)

// mostJobs is how many commands wait for the device at most.
const mostJobs = 64

// Process is a device and the engine that shows it. Make it before the engine, which needs its Control, and then Attach it.
type Process struct {
	cfg      Config
	readers  []*reader
	controls map[acsi.Ref]*writer
	settings []*writer
	writers  []*writer // all of them
	engine   *server.Engine

	session atomic.Pointer[session] // nil while the device is not there
	jobs    chan *job
	poke    chan struct{}   // settings have been written
	told    map[string]bool // what was said of the mapping on this device; of Run alone

	mu      sync.Mutex
	pending map[*writer]value.Value // settings that the device does not have yet
}

// New judges what of the mapping can be judged without the engine. Its error is a *MappingError.
func New(cfg Config) (*Process, error) {
	if err := cfg.Mapping.settle(); err != nil {
		return nil, err
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	p := &Process{cfg: cfg, controls: map[acsi.Ref]*writer{}, jobs: make(chan *job, mostJobs), poke: make(chan struct{}, 1),
		told: map[string]bool{}, pending: map[*writer]value.Value{}}
	for _, v := range cfg.Mapping.Values {
		r, err := newReader(v)
		if err != nil {
			return nil, err
		}
		p.readers = append(p.readers, r)
	}
	for i, c := range append(cfg.Mapping.Controls[:len(cfg.Mapping.Controls):len(cfg.Mapping.Controls)], cfg.Mapping.Settings...) {
		w, err := newWriter(c)
		if err != nil {
			return nil, err
		}
		if p.writers = append(p.writers, w); i >= len(cfg.Mapping.Controls) {
			p.settings = append(p.settings, w)
		}
	}
	return p, nil
}

// Attach binds p to the engine whose values it has, before the engine's first service and before Run. Its error is a
// *MappingError.
func (p *Process) Attach(e *server.Engine) error {
	p.engine = e
	taken := map[acsi.Ref]int{}
	for _, r := range p.readers {
		if err := r.bind(e); err != nil {
			return err
		}
		if line, twice := taken[r.handle.Ref()]; twice {
			return at(r.Line, r.Ref, r.Point, errTwice(line), "keep one of the two")
		}
		taken[r.handle.Ref()] = r.Line
	}
	controls := len(p.writers) - len(p.settings)
	lines := map[acsi.Ref]int{}
	for i, w := range p.writers {
		bind := w.bindControl
		if i >= controls {
			bind = w.bindSetting
		}
		if err := bind(e); err != nil {
			return err
		}
		if line, twice := lines[w.ref]; twice {
			return at(w.Line, w.Ref, w.Control.Point, errTwice(line), "keep one of the two")
		}
		if lines[w.ref] = w.Line; i < controls {
			p.controls[w.ref] = w
		}
	}
	if len(p.settings) > 0 {
		e.OnWrite(p.written)
	}
	p.show(acsi.QualityInvalid|acsi.QualityOldData, func(*reader) bool { return true })
	return nil
}

// Run polls the device, and connects to it again whenever it has been lost, until ctx ends. Attach comes before it.
func (p *Process) Run(ctx context.Context) {
	pause, lost := firstPause, "" // lost is what was said of the last loss
	var waiting *job              // of a connection that the device had closed before
	for {
		s, err := p.connect(ctx)
		if err == nil {
			p.cfg.Logger.Debug("SunSpec device found", "device", p.cfg.Mapping.Connect, "base", s.device.base, "models", len(s.device.models))
			p.session.Store(s)
			waiting, err = p.serve(ctx, s, waiting)
			p.session.Store(nil)
			s.conn.net.Close()
			if s.polls > 0 {
				pause, lost = firstPause, ""
			}
		}
		if ctx.Err() != nil {
			waiting.end(acsi.AbortionByCommunicationLoss)
			return
		}
		if s != nil && s.polls > 0 && errors.Is(err, errClosedIdle) {
			continue
		}
		waiting.end(acsi.AbortionByCommunicationLoss)
		waiting = nil
		wait := pause/2 + rand.N(pause/2)
		level := slog.LevelDebug
		if text := err.Error(); text != lost {
			lost, level = text, slog.LevelWarn
		}
		p.cfg.Logger.Log(ctx, level, "the SunSpec device is lost: its values are old, and commands are refused", "device", p.cfg.Mapping.Connect,
			"err", err, "again in", wait.Round(time.Millisecond))
		p.age(time.Now())
		if !p.rest(ctx, wait) {
			return
		}
		pause = min(2*pause, mostPause)
	}
}

// rest waits, refuses commands, and lets values grow old meanwhile. It is false once ctx has ended.
func (p *Process) rest(ctx context.Context, d time.Duration) bool {
	again := time.NewTimer(d)
	defer again.Stop()
	older := time.NewTimer(p.untilGone(time.Now()))
	defer older.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case j := <-p.jobs:
			j.end(acsi.BlockedByProcess)
		case <-p.poke:
			p.dropSettings(errGone)
		case now := <-older.C:
			p.age(now)
			older.Reset(p.untilGone(now))
		case <-again.C:
			return true
		}
	}
}

var errGone = errors.New("the device does not answer")

// connect finds the device and its models.
func (p *Process) connect(ctx context.Context) (*session, error) {
	m := &p.cfg.Mapping
	dialing, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	c, err := p.cfg.Dial(dialing, "tcp", m.Connect)
	if err != nil {
		return nil, err
	}
	s, err := p.begin(ctx, &conn{net: c, unit: m.Unit, timeout: m.Timeout})
	if err != nil {
		c.Close()
		return nil, err
	}
	return s, nil
}

// serve polls and commands the device until that fails. The job is one that could not be begun, since the device had closed the
// connection.
func (p *Process) serve(ctx context.Context, s *session, waiting *job) (*job, error) {
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return waiting, ctx.Err()
		case now := <-due.C:
			due.Reset(p.cfg.Mapping.Poll)
			if err := p.poll(ctx, s); err != nil {
				return waiting, err
			}
			p.age(now)
			if waiting != nil {
				j := waiting
				waiting = nil
				if err := p.carryOut(ctx, s, j); err != nil {
					if errors.Is(err, errClosedIdle) {
						j.end(acsi.AbortionByCommunicationLoss)
					}
					return nil, err
				}
			}
		case j := <-p.jobs:
			if err := p.carryOut(ctx, s, j); errors.Is(err, errClosedIdle) {
				return j, err
			} else if err != nil {
				return nil, err
			}
		case <-p.poke:
			if err := p.writeSettings(ctx, s); err != nil {
				return nil, err
			}
		}
	}
}
