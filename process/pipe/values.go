package pipe

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// values are those of an engine as a program sees them. One goroutine uses them.
type values struct {
	engine *server.Engine
	known  map[[2]string]server.Handle // by what the program calls them and their functional constraint
	sent   map[acsi.Ref]setting        // the last that the program has set, of what has a quality
}

// setting is a value for an object.
type setting struct {
	handle  server.Handle
	value   value.Value
	quality acsi.Quality
	time    time.Time // zero: now
	whole   bool      // it holds quality and time itself, or there are none
}

func newValues(e *server.Engine) values {
	return values{engine: e, known: map[[2]string]server.Handle{}, sent: map[acsi.Ref]setting{}}
}

// settable are the functional constraints of what a process may set.
var settable = []acsi.FC{acsi.ST, acsi.MX, acsi.SP, acsi.SG, acsi.CF, acsi.DC, acsi.EX}

// find is what the program calls text, under the functional constraint that it gives or under the only one there is.
func (v *values) find(text, fcText string) (server.Handle, error) {
	key := [2]string{text, fcText}
	if h, ok := v.known[key]; ok {
		return h, nil
	}
	ref, err := acsi.ParseRef(text)
	if err != nil {
		return server.Handle{}, err
	}
	fcs := settable
	if fcText != "" {
		fc, err := acsi.ParseFC(fcText)
		if err != nil || ref.FC() != 0 && ref.FC() != fc {
			return server.Handle{}, fmt.Errorf("fc %q is none, or another than that of the reference", fcText)
		}
		ref = ref.WithFC(fc)
	}
	if ref.FC() != 0 {
		fcs = []acsi.FC{ref.FC()}
	}
	var found []server.Handle
	var names []string
	for _, fc := range fcs {
		if h, err := v.engine.Handle(ref.WithFC(fc)); err == nil {
			found = append(found, h)
			names = append(names, fc.String())
		}
	}
	switch len(found) {
	case 0:
		return server.Handle{}, fmt.Errorf("the model has no %s", ref)
	case 1:
		v.known[key] = found[0]
		return found[0], nil
	}
	return server.Handle{}, fmt.Errorf("%s is ambiguous: give \"fc\", one of %s", ref, strings.Join(names, ", "))
}

// get is what an object holds now.
func (v *values) get(text, fcText string) (valueLine, error) {
	h, err := v.find(text, fcText)
	if err != nil {
		return valueLine{}, err
	}
	held, err := v.engine.Value(h.Ref())
	if err != nil {
		return valueLine{}, err
	}
	return valueOf("value", h, held), nil
}

func valueOf(kind string, h server.Handle, held value.Value) valueLine {
	return valueLine{Type: kind, Ref: h.Ref().Path(), FC: h.Ref().FC().String(),
		Value: client.AppendJSON(nil, client.Object{Ref: h.Ref(), Node: h.Node()}, held)}
}

// set changes all that the entries name at once, or nothing where one of them is wrong.
func (v *values) set(entries []entry) error {
	settings := make([]setting, 0, len(entries))
	for _, e := range entries {
		s, err := v.setting(e)
		if err != nil {
			return err
		}
		settings = append(settings, s)
	}
	var err error
	v.engine.Update(func(tx *server.Tx) {
		for _, s := range settings {
			err = errors.Join(err, s.apply(tx))
		}
	})
	for _, s := range settings {
		if fc := s.handle.Ref().FC(); !s.whole && (fc == acsi.ST || fc == acsi.MX) {
			v.sent[s.handle.Ref()] = s
		}
	}
	return err
}

// setting is an entry, checked.
func (v *values) setting(e entry) (setting, error) {
	if e.Ref == nil {
		return setting{}, errors.New(`a value lacks "ref"`)
	}
	h, err := v.find(*e.Ref, e.FC)
	if err != nil {
		return setting{}, err
	}
	allowed := false
	for _, fc := range settable {
		allowed = allowed || h.Ref().FC() == fc
	}
	if !allowed {
		return setting{}, fmt.Errorf("%s is not for the process to set", h.Ref())
	}
	s := setting{handle: h, whole: h.Node().Kind == acsi.DataObjectNode || h.Node().Kind == acsi.SubDataObjectNode}
	if s.whole && (e.Quality != nil || e.Time != "") {
		return setting{}, fmt.Errorf("%s holds its quality and time itself: leave them out, or set a part of it", h.Ref())
	}
	if s.value, err = client.ParseJSON(client.Object{Ref: h.Ref(), Node: h.Node()}, e.Value); err == nil {
		err = h.Node().Check(s.value)
	}
	if err != nil {
		return setting{}, fmt.Errorf("%s: %w", h.Ref(), err)
	}
	if e.Quality != nil {
		s.quality = *e.Quality
	}
	if e.Time != "" {
		if s.time, err = time.Parse(time.RFC3339, e.Time); err != nil {
			return setting{}, fmt.Errorf("%s: time is written as in 2026-11-22T10:00:00.5Z", h.Ref())
		}
	}
	return s, nil
}

func (s *setting) apply(tx *server.Tx) error {
	if s.whole {
		return tx.Set(s.handle, s.value)
	}
	at := tx.Now()
	if !s.time.IsZero() {
		at.Time = s.time
	}
	return tx.SetStamped(s.handle, s.value, s.quality, at)
}

// stale marks as old all that the program has set.
func (v *values) stale() error {
	var err error
	v.engine.Update(func(tx *server.Tx) {
		for _, s := range v.sent {
			err = errors.Join(err, tx.SetStamped(s.handle, s.value, acsi.QualityQuestionable|acsi.QualityOldData, tx.Now()))
		}
	})
	return err
}
