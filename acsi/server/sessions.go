package server

import (
	"context"
	"fmt"
	"net"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
)

// maxNotices is how many notices wait for a peer, beside its reports. When one more comes, the oldest is dropped.
const maxNotices = 256

// session is the services for one association.
type session struct {
	e       *Engine
	id      uint64 // from 1
	subject rbac.Subject

	// under the engine's lock
	closed  bool
	notices []acsi.Notice // that are not reports, the oldest first
	wakeup  chan struct{} // there may be something for Next
	sets    map[acsi.Ref]*dataSet
	open    map[*openFile]struct{} // files that it reads
	reports []*reportControl       // that it has enabled or reserved
	turn    int                    // in reports: which is asked first for the next report
}

var errClosed = fmt.Errorf("acsi/server: the association has ended: %w", net.ErrClosed)

var _ acsi.Services = (*session)(nil)

// Services is what the peer s may ask of the IED over one association, until it calls Close. The rights of s are decided anew
// at every service, and at every report.
//
// What waits for Next is bounded: at most 256 terminations, of which the oldest are dropped; each report control
// block bounds its reports.
func (e *Engine) Services(s rbac.Subject) acsi.Services {
	s.Grants = append([]rbac.Grant(nil), s.Grants...)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions++
	return &session{e: e, id: e.sessions, subject: s, wakeup: make(chan struct{}, 1)}
}

// tell queues n, which goes before all reports. It is called with the lock held.
func (s *session) tell(n acsi.Notice) {
	if s.closed {
		return
	}
	if len(s.notices) == maxNotices {
		s.notices = append(s.notices[:0], s.notices[1:]...)
	}
	s.notices = append(s.notices, n)
	s.wake()
}

// wake lets Next look again. It is called with the lock held.
func (s *session) wake() {
	if s.closed {
		return
	}
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// Next gives terminations before reports, and the reports of several control blocks in turn.
func (s *session) Next(ctx context.Context) (acsi.Notice, error) {
	for {
		n, err := s.take()
		if n != nil || err != nil {
			return n, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.wakeup:
		}
	}
}

// take is what waits first, or nil.
func (s *session) take() (acsi.Notice, error) {
	c := s.begin(acsi.Reporting)
	defer c.end()
	s.e.mu.Lock()
	defer s.e.release()
	if s.closed {
		return nil, errClosed
	}
	if len(s.notices) > 0 {
		n := s.notices[0]
		s.notices[0] = nil
		s.notices = s.notices[1:]
		return n, nil
	}
	if r := c.takeReport(); r != nil {
		return r, nil
	}
	return nil, nil
}

// Close gives back all that the association holds. Whoever waits in Next hears of it.
func (s *session) Close(context.Context) error {
	s.e.mu.Lock()
	defer s.e.release()
	if s.closed {
		return nil
	}
	s.closed = true
	s.closeControls()
	s.closeSubstitution()
	s.closeSettings()
	s.closeFiles()
	s.closeReports()
	s.closeDataSets()
	s.notices = nil
	close(s.wakeup)
	return nil
}
