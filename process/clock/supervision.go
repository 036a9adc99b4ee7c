package clock

import (
	"strings"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// Supervision keeps the logical nodes of class LTMS in an engine's model up to date: whose time it is (TmSrc), whether it is that of
// the world (TmSyn), and how accurate it is (TmAcc), as far as they have these.
//
// IEC 61850-7-4, LTMS.
type Supervision struct {
	engine                *server.Engine
	source, syn, accuracy []server.Handle
}

// NewSupervision finds the logical nodes.
func NewSupervision(e *server.Engine) *Supervision {
	s := &Supervision{engine: e}
	for _, ld := range e.Model().LDs {
		for _, ln := range ld.LNs {
			if ln.Node.Class != "LTMS" {
				continue
			}
			for name, handles := range map[string]*[]server.Handle{"TmSrc": &s.source, "TmSyn": &s.syn, "TmAcc": &s.accuracy} {
				ref, err := acsi.NewRef(ld.Name, ln.Node.Name+"."+name+".stVal", acsi.ST)
				if err != nil {
					continue
				}
				if h, err := e.Handle(ref); err == nil {
					*handles = append(*handles, h)
				}
			}
		}
	}
	return s
}

// Show tells of the time that source gives, with a quality.
func (s *Supervision) Show(source string, q acsi.TimeQuality) {
	synchronized := q&acsi.ClockNotSynchronized == 0
	s.engine.Update(func(tx *server.Tx) {
		for _, h := range s.source {
			set(tx, h, value.Visible(source))
		}
		for _, h := range s.syn {
			if ord, ok := syncKind(h.Node().Enum, synchronized); ok {
				set(tx, h, value.Int(int64(ord)))
			}
		}
		for _, h := range s.accuracy {
			set(tx, h, value.Int(int64(q&acsi.AccuracyUnspecified)))
		}
	})
}

// set stores v where it is another value, and fits.
func set(tx *server.Tx, h server.Handle, v value.Value) {
	if !tx.Value(h).Equal(v) {
		_ = tx.SetStamped(h, v, acsi.QualityGood, tx.Now()) // what the model has no room for is not shown
	}
}

// syncKind finds by its name what the model calls a clock that has the time of the world, or one that is left to itself.
func syncKind(e *acsi.Enum, synchronized bool) (ord int, ok bool) {
	if e == nil {
		return 0, false
	}
	for _, v := range e.Values {
		name := strings.ToLower(v.Name)
		alone := strings.Contains(name, "internal") || strings.HasPrefix(name, "not ") || strings.Contains(name, "unknown")
		if synchronized && !alone && strings.Contains(name, "global") || !synchronized && alone {
			return v.Ord, true
		}
	}
	return 0, false
}
