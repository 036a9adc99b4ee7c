package xmppd

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// SessionInfo describes one session.
type SessionInfo struct {
	JID       jid.JID
	Available bool      // it has sent presence and not taken it back
	Since     time.Time // when its stream was set up
	Address   string    // where it has connected from, host:port
	Queued    int       // octets that wait to be sent to it
	Stream    xmpp.Info
	Detached  bool // its connection has broken, and it waits to be resumed over another
}

// Sessions returns the sessions of this moment, ordered by address.
func (s *Server) Sessions() []SessionInfo {
	s.mu.RLock()
	var all []SessionInfo
	for _, a := range s.order {
		for _, ses := range a.sessions {
			all = append(all, SessionInfo{ses.jid, ses.available, ses.since, ses.stream().RemoteAddr().String(), ses.stream().Queued(), ses.stream().Info(), ses.detached})
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b SessionInfo) int { return strings.Compare(a.JID.String(), b.JID.String()) })
	return all
}

// Stats is what a server has done since it was made, and what there is at the moment. Counts only grow.
type Stats struct {
	Began time.Time

	Accounts      int // that have logged in
	Sessions      int
	Detached      int // of these, that wait to be resumed
	Connections   int
	Negotiating   int // connections that have not bound a resource yet
	QueuedOctets  int // that wait to be sent, of all sessions
	FullestQueue  int // octets of the longest of these queues
	QueueCapacity int // octets that one may have

	Connected  uint64                          // connections that were taken
	TurnedAway uint64                          // and those that were not, for a limit
	Bound      uint64                          // streams that were set up
	Resumed    uint64                          // and of these, that took up a session
	NotBound   map[xmpp.NegotiationStep]uint64 // and that were not, by the step that failed
	SlowCut    uint64                          // streams that ended because their client read too slowly
	Received   StanzaCounts                    // stanzas from clients
	Delivered  StanzaCounts                    // stanzas to clients, those of the server's own among them
	Refused    map[stanza.Condition]uint64     // stanzas that were answered with an error, by its condition
	Dropped    uint64                          // stanzas that could not be refused and were thrown away
	Denied     uint64                          // stanzas that a rule did not let pass
	Held       time.Duration                   // for how long senders were held up because they sent more than they may
}

// StanzaCounts counts stanzas by their kind, and their octets.
type StanzaCounts struct{ IQ, Message, Presence, Octets uint64 }

// Stats returns the numbers of this moment.
func (s *Server) Stats() Stats {
	st := Stats{
		Began: s.began, QueueCapacity: s.set.Load().QueueSize,
		Bound: s.bound.Load(), NotBound: map[xmpp.NegotiationStep]uint64{}, Refused: map[stanza.Condition]uint64{},
	}
	s.gate.stats(&st)
	for i := range steps {
		if n := s.notBound[i].Load(); n > 0 {
			st.NotBound[steps[i]] = n
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	st.Accounts, st.Detached, st.Resumed = len(s.order), s.detached, s.resumed.Load()
	for _, acc := range s.order {
		acc.tally.add(&st)
		for _, ses := range acc.sessions {
			queued := ses.stream().Queued()
			st.Sessions++
			st.QueuedOctets += queued
			st.FullestQueue = max(st.FullestQueue, queued)
		}
	}
	return st
}

// steps are those in which a client's stream may fail to be set up.
var steps = [...]xmpp.NegotiationStep{xmpp.StepConnect, xmpp.StepStream, xmpp.StepStartTLS, xmpp.StepTLS, xmpp.StepSASL, xmpp.StepResume, xmpp.StepBind}

// negotiated counts a stream that was set up, or was not.
func (s *Server) negotiated(err error) {
	failed, ok := errors.AsType[*xmpp.NegotiationError](err)
	if !ok {
		s.bound.Add(1)
		return
	}
	if i := slices.Index(steps[:], failed.Step); i >= 0 {
		s.notBound[i].Add(1)
	}
}

// reasons are the conditions by which the server refuses stanzas; the last stands for all others.
var reasons = [...]stanza.Condition{stanza.ServiceUnavailable, stanza.ResourceConstraint, stanza.Forbidden, stanza.RemoteServerNotFound, stanza.UndefinedCondition}

// kinds is the number of stanza.Kind.
const kinds = stanza.Presence + 1

// tally counts what one account sends and gets. An account stays in the table once it is there, so that sums never shrink.
type tally struct {
	received, delivered  [kinds]atomic.Uint64 // by kind
	octetsIn, octetsOut  atomic.Uint64
	refused              [len(reasons)]atomic.Uint64
	dropped, denied, cut atomic.Uint64
	held                 atomic.Int64 // nanoseconds
}

// refuse counts a stanza that is answered with an error.
func (t *tally) refuse(c stanza.Condition) {
	i := slices.Index(reasons[:], c)
	if i < 0 {
		i = len(reasons) - 1
	}
	t.refused[i].Add(1)
}

func (t *tally) add(st *Stats) {
	st.Received.add(&t.received, &t.octetsIn)
	st.Delivered.add(&t.delivered, &t.octetsOut)
	for i := range reasons {
		if n := t.refused[i].Load(); n > 0 {
			st.Refused[reasons[i]] += n
		}
	}
	st.Dropped += t.dropped.Load()
	st.Denied += t.denied.Load()
	st.SlowCut += t.cut.Load()
	st.Held += time.Duration(t.held.Load())
}

func (c *StanzaCounts) add(by *[kinds]atomic.Uint64, octets *atomic.Uint64) {
	c.IQ += by[stanza.IQ].Load()
	c.Message += by[stanza.Message].Load()
	c.Presence += by[stanza.Presence].Load()
	c.Octets += octets.Load()
}
