package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/file"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Config is what an Engine is made of.
type Config struct {
	Model             *acsi.Model
	Policy            *rbac.Policy            // nil: rbac.DefaultPolicy
	Audit             audit.Sink              // nil: audit.Discard
	Now               func() time.Time        // nil: time.Now
	TimeQuality       func() acsi.TimeQuality // of the time that Now gives; nil: acsi.AccuracyUnspecified
	State             State                   // what outlives the process; nil: nothing does
	ReportBuffer      int                     // octets of memory that each report control block has; 0: report.DefaultLimit
	ReportsPerAccount int                     // report control blocks that one account uses or reserves at once; 0: as many as there are where it may control or configure, else half of them, at least 8
	Reservation       time.Duration           // the longest ResvTms that a client gets, 1 s to 32,767 s; 0: 1 h
	LogSize           int                     // octets of memory that each log has; 0: journal.DefaultLimit
	Control           ControlHandler          // nil: every command is accepted, and the IED brings its values to what was commanded
	SubstitutionEnds  bool                    // a value that a peer has substituted is the process's again when its association ends, not only when a peer says so
	CommandAge        time.Duration           // how old a command may be by the time that it was sealed with; 0: 10 s
	Files             *os.Root                // the files that are served; nil: none
	MaxFileSize       int64                   // of a file that a client sets, in octets; 0: file.DefaultMaxSize
}

// Engine keeps the values of a model and serves them. All methods may be called concurrently.
//
// One lock guards all: what a service reads is from one instant, what it writes is there at once, and what is told of
// a change is told of just that value.
//
// Somebody must call Run, or Tick whenever Next has come: an Engine starts no goroutine of its own.
type Engine struct {
	cfg    Config
	layout *layout
	hooks  []func(acsi.Ref, value.Value)

	mu       sync.Mutex
	values   []value.Value // the leaves, as layout has them; only store changes them
	watches  watches       // who hears of changes of which leaf
	touched  []watcher     // who has heard of changes since the lock was taken
	tx       Tx
	tickets  uint64    // writes accepted so far, each a ticket to call the hooks
	serving  uint64    // tickets whose hooks have been called
	hookTurn sync.Cond // on mu: serving has changed

	due   time.Time                   // when Tick is to be called next
	tasks []func(ctx context.Context) // for Run to start
	poke  chan struct{}               // tells Run that due is sooner than it was, or that there are tasks

	saving   saving
	kept     *writtenValues
	sets     dataSets
	reports  reportControls
	sessions uint64 // that there have been

	measurands map[int]*measurand // by the leaves that show them

	controls controls
	modes    behaviours
	subs     substitutions
	trackers []tracker
	refusals audit.Throttle // of events
	untold   audit.Throttle // of refused services that are tracked

	schedules schedules

	settings settings
	logs     logs
	files    *file.Store // nil: there are none
}

// New makes an engine of cfg, with the initial values of the model. Until the process updates it, the quality of
// a measurand or status that has no initial value is invalid, and every timestamp is the time of the start.
func New(cfg Config) (*Engine, error) {
	if cfg.Model == nil || len(cfg.Model.LDs) == 0 {
		return nil, errors.New("acsi/server: no model, or one without a logical device")
	}
	if cfg.Audit == nil {
		cfg.Audit = audit.Discard
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TimeQuality == nil {
		cfg.TimeQuality = func() acsi.TimeQuality { return acsi.AccuracyUnspecified }
	}
	if cfg.CommandAge <= 0 {
		cfg.CommandAge = defaultCommandAge
	}
	l, err := newLayout(cfg.Model)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, layout: l, poke: make(chan struct{}, 1), saving: newSaving(cfg.State)}
	e.hookTurn.L = &e.mu
	e.tx.e = e
	e.kept = e.newWrittenValues()
	if e.values, err = l.initial(e.now()); err != nil {
		return nil, err
	}
	e.watches.of = make([]int32, l.leafs)
	if err := e.makeMachines(); err != nil {
		return nil, err
	}
	if err := e.loadState(); err != nil {
		return nil, err
	}
	e.startSchedules()
	return e, nil
}

// makeMachines makes what serves the model beyond its values.
func (e *Engine) makeMachines() error {
	return errors.Join(e.makeMeasurands(), e.makeDataSets(), e.makeReports(), e.makeControls(), e.makeSubstitution(), e.makeTracking(),
		e.makeBehaviour(), e.makeSettings(), e.makeLogs(), e.makeFiles(), e.makeSchedules())
}

func (e *Engine) now() acsi.Timestamp {
	return acsi.Timestamp{Time: e.cfg.Now(), Quality: e.cfg.TimeQuality()}
}

// Model is the model that is served. It must not be changed.
func (e *Engine) Model() *acsi.Model { return e.cfg.Model }

// OnWrite adds f to what is called with each value that a peer has written, after it can be read, one call at a time
// and in the order of the writes; after one that has activated or confirmed a setting group, also with each setting
// that is another now. The writer's service waits for it: f must not block for long, and must not call
// a service of this engine; it may call Update, Value and Handle. OnWrite itself is called before the first service.
func (e *Engine) OnWrite(f func(ref acsi.Ref, v value.Value)) { e.hooks = append(e.hooks, f) }

// A Handle is a resolved reference: the fast way to one object of one engine.
type Handle struct {
	ref acsi.Ref
	point
	q, t     int  // the leaves of the quality and time that belong to it, or -1
	measured bool // it is, or has a part that is, a measurand
	self     bool // the behaviour or health of the IED comes from it, or from a part of it
}

// Ref is the reference that was resolved.
func (h Handle) Ref() acsi.Ref { return h.ref }

// Node is the type of what the handle stands for. It must not be changed.
func (h Handle) Node() *acsi.Node { return h.shape.node }

// Handle resolves ref, which has a functional constraint. Its error is an *acsi.Error.
func (e *Engine) Handle(ref acsi.Ref) (Handle, error) {
	p, ok := e.layout.points[ref]
	if !ok {
		return Handle{}, acsi.Errorf(acsi.ObjectNonExistent, "the model has no %s", ref)
	}
	h := Handle{ref: ref, point: p, q: -1, t: -1, self: ref.Depth() < 3 || ref.FC() == acsi.ST && makesSelf(dataObject(ref).Name())}
	for at := ref; at.Depth() >= 3 && h.q < 0 && h.t < 0; at = at.Parent() {
		h.q = e.layout.leaf(at, "q", value.BitString)
		h.t = e.layout.leaf(at, "t", value.UTCTime)
	}
	for leaf := p.first; leaf < p.first+p.shape.leafs && !h.measured; leaf++ {
		h.measured = e.measurands[leaf] != nil
	}
	return h, nil
}

// Value is what the object ref, which has a functional constraint, holds now. Its error is an *acsi.Error.
func (e *Engine) Value(ref acsi.Ref) (value.Value, error) {
	p, ok := e.layout.points[ref]
	if !ok {
		return value.Value{}, acsi.Errorf(acsi.ObjectNonExistent, "the model has no %s", ref)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.read(p), nil
}

// read is called with the lock held.
func (e *Engine) read(p point) value.Value {
	if p.shape.cells == 0 {
		return e.values[p.first]
	}
	return p.shape.read(e.values[p.first:p.first+p.shape.leafs], make([]value.Value, p.shape.cells))
}

// Update lets the process change values: all that f sets is seen at once, and reported and logged as it is at the
// end. f must not block, and must not use the engine but through tx, nor tx after it has returned.
func (e *Engine) Update(f func(tx *Tx)) {
	e.mu.Lock()
	defer e.release()
	f(&e.tx)
}

// Tx is one Update.
type Tx struct {
	e *Engine
}

// Now is the time and its quality, for the process to stamp values with.
func (tx *Tx) Now() acsi.Timestamp { return tx.e.now() }

// Value is what h holds.
func (tx *Tx) Value(h Handle) value.Value { return tx.e.read(h.point) }

// Set changes what h stands for, whatever its functional constraint. It changes nothing, and says why in
// an *acsi.Error, where v is no value of h's type.
func (tx *Tx) Set(h Handle, v value.Value) error {
	if err := h.shape.node.Check(v); err != nil {
		return fmt.Errorf("%s: %w", h.ref, err)
	}
	if done, err := tx.e.processSetting(h, v); done || err != nil {
		return err
	}
	switch {
	case !h.measured:
		tx.e.fromProcess(h.point, v)
	case h.shape.cells == 0:
		tx.e.measure(h.first, v)
	default:
		h.shape.split(h.first, v, tx.e.measure)
	}
	if h.self {
		tx.e.statusOfSelf()
	}
	if outlives(h.ref.FC()) {
		tx.e.kept.set(h.point)
	}
	return nil
}

// Trigger has the control blocks report what h stands for, or is a part of, as it is when the Update ends, though it has not changed:
// those that watch it, whatever their trigger conditions.
func (tx *Tx) Trigger(h Handle) {
	for leaf := h.first; leaf < h.first+h.shape.leafs; leaf++ {
		if list := tx.e.watches.of[leaf]; list != 0 {
			tx.e.tell(list, acsi.ReasonApplicationTrigger)
		}
	}
}

// SetStamped is Set, and gives the quality and the time beside h, where its data object has them, the values q and t.
func (tx *Tx) SetStamped(h Handle, v value.Value, q acsi.Quality, t acsi.Timestamp) error {
	if err := tx.Set(h, v); err != nil {
		return err
	}
	if h.q >= 0 {
		if h.measured {
			q = tx.e.measuredQuality(h, q)
		}
		tx.e.leafFromProcess(h.q, q.Value())
	}
	if h.t >= 0 {
		tx.e.leafFromProcess(h.t, t.Value())
	}
	return nil
}
