package xmpp

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// manage takes an element of stream management.
//
// XEP-0198, Sections 3 to 5.
func (c *Conn) manage(t *xmltok.Token) error {
	switch local := t.Name.Local; {
	case local == "r" && c.managed != nil:
		c.w.answer()
		return nil
	case local == "a" && c.managed != nil:
		value, _ := t.Attr("", "h")
		h, ok := parseHandled(string(value))
		if !ok {
			return &StreamError{Condition: BadFormat, Text: "an acknowledgement has a number"}
		}
		return c.w.acknowledge(h)
	}
	el, err := readElement(c.sc, t)
	if err != nil {
		return err
	}
	switch {
	case c.offered != nil && el.is(nsManagement, "enabled"):
		c.enabled(el)
		return nil
	case c.offered != nil && el.is(nsManagement, "failed"):
		c.offered = nil
		c.w.unmanage()
		return nil
	case c.initiator:
		return &StreamError{Condition: UnsupportedStanzaType}
	case c.managed == nil && el.is(nsManagement, "enable"):
		c.enable(el)
		return nil
	}
	c.record(trespass(el.name), "asked to resume a stream on one that is set up", nil)
	c.w.say(appendNotManaged(nil, stanza.UnexpectedRequest))
	return nil
}

// enable begins to acknowledge what a client sends, and to keep what it is sent, as it
// asks for. The answer may let it take the stream up again.
//
// XEP-0198, Section 3.
func (c *Conn) enable(el *element) {
	m := new(management)
	first := []byte("<enabled xmlns='" + nsManagement + "'")
	if wanted := el.attr("resume"); c.keeper != nil && (wanted == "true" || wanted == "1") {
		id := rand.Text()
		if d := c.keeper.Keep(c, id); d > 0 {
			m.id, m.resume = id, d
			first = append(first, " id='"+id+"' resume='true' max='"...)
			first = strconv.AppendInt(first, int64(d/time.Second), 10)
			first = append(first, '\'')
		}
	}
	c.managed = m
	c.w.manage(m, append(first, "/>"...))
}

// offer asks the server to acknowledge what is sent from now on, and to keep the stream
// for as long as it may be taken up again.
//
// XEP-0198, Section 3.
func (c *Conn) offer(resume time.Duration) {
	c.offered = new(management)
	c.resume = resume
	c.w.manage(c.offered, []byte("<enable xmlns='"+nsManagement+"' resume='true'/>"))
}

// enabled takes the server's consent.
func (c *Conn) enabled(el *element) {
	c.managed, c.offered = c.offered, nil
	id := el.attr("id")
	if may := el.attr("resume"); id == "" || may != "true" && may != "1" {
		return
	}
	d := c.resume
	if most, err := strconv.ParseUint(el.attr("max"), 10, 31); err == nil && most > 0 {
		d = min(d, time.Duration(most)*time.Second)
	}
	c.w.resumable(id, d)
}

// appendNotManaged appends the refusal of what a peer has asked for.
//
// XEP-0198, Sections 3 and 5.
func appendNotManaged(dst []byte, why stanza.Condition) []byte {
	dst = append(dst, "<failed xmlns='"+nsManagement+"'><"...)
	dst = append(dst, why...)
	return append(dst, " xmlns='"+nsStanzas+"'/></failed>"...)
}

// tooHigh is the error for a peer that acknowledges what was never sent.
//
// XEP-0198, Section 4.
func tooHigh(h, sent uint32) error {
	return &StreamError{Condition: UndefinedCondition, Text: fmt.Sprintf("%d stanzas are acknowledged, of %d", h, sent),
		specific: fmt.Sprintf("<handled-count-too-high xmlns='%s' h='%d' send-count='%d'/>", nsManagement, h, sent)}
}

// survival says what an end means for a stream that may be taken up again.
type survival uint8

const (
	streamOver survival = iota // it ends, too
	brokenOff                  // it waits for another connection
	takenLeave                 // likewise, and the peer is told why this one ends
)

// ErrAged ends a connection that has become too old. The peer is told to come again,
// and may take up its stream.
//
// RFC 6120, Section 4.9.3.16.
var ErrAged error = closed("the connection has reached its age")

// errTaken ends a connection whose stream the peer takes up over another.
var errTaken error = closed("the stream was taken up over another connection")

// survives tells an end of the connection from one of the stream. Whoever ends the
// stream in order, or in error, wants it to be over; a server that says reset or
// connection-timeout wants a new connection.
//
// XEP-0198, Section 5; RFC 6120, Sections 4.9.3.4 and 4.9.3.16.
func survives(cause error) survival {
	var se *StreamError
	switch {
	case errors.As(cause, &se):
		if se.Remote && (se.Condition == Reset || se.Condition == ConnectionTimeout) {
			return brokenOff
		}
	case errors.Is(cause, ErrAged):
		return takenLeave
	case errors.Is(cause, ErrLost), errors.Is(cause, ErrStalled), errors.Is(cause, ErrBroken), errors.Is(cause, errTaken):
		return brokenOff
	}
	return streamOver
}

// Resumable returns for how long the stream may be taken up again after its connection
// has ended; 0 while it has not, and where it may not. Until then what is pushed is
// kept, within the bound of the queue.
func (c *Conn) Resumable() time.Duration {
	_, d, _, ok := c.w.kept()
	if !ok {
		return 0
	}
	return d
}

// Discard ends a stream that waits to be taken up again.
func (c *Conn) Discard() {
	if c.Resumable() > 0 {
		c.w.finish(nil, time.Now())
	}
}

// Undelivered returns what was sent and never acknowledged, once: the peer may have got
// it or not. It is for a stream that has ended and cannot be taken up again.
//
// XEP-0198, Section 4.
func (c *Conn) Undelivered() []stanza.Stanza {
	var all []stanza.Stanza
	c.w.undelivered(func(octets []byte) {
		sc := xmltok.NewBytesScanner(octets, xmltok.Limits{})
		sc.SetDefaultNamespace(stanza.Namespace)
		t, err := sc.Next()
		if err != nil {
			return
		}
		st, err := stanza.ParseHead(&t)
		if err != nil {
			return
		}
		if raw, err := sc.Inner(); err == nil {
			st.Payload = raw.Octets
			all = append(all, st)
		}
	})
	return all
}

// mayResume says why the client of c, which has authenticated, may not take up old: it
// must be of the same account, and where a certificate has proved that, by the same key.
//
// XEP-0198, Section 5.
func (c *Conn) mayResume(old *Conn) error {
	was, is := old.Info(), c.Info()
	switch {
	case old.JID().Bare() != c.JID().Bare():
		return errors.New("it is of another account")
	case was.Mechanism != sasl.NameExternal:
		return nil
	case is.Mechanism != sasl.NameExternal || !sameKey(was, is):
		return errors.New("it was set up with another key")
	}
	return nil
}

// sameKey reports whether two certificates are of one key.
func sameKey(a, b Info) bool {
	return a.Peer != nil && b.Peer != nil && bytes.Equal(a.Peer.Leaf().RawSubjectPublicKeyInfo, b.Peer.Leaf().RawSubjectPublicKeyInfo)
}

// notResumed says that the server has not let us take up our stream.
type notResumed struct{ stanza.Condition }

func (e *notResumed) Error() string {
	return fmt.Sprintf("the server does not resume the stream: %s", e.Condition)
}

// resumption is the stream that an initiator wants to take up.
type resumption struct {
	id      string
	full    jid.JID
	handled uint32 // stanzas of the server's
}

// resumption describes the stream of c, whose connection has ended.
func (c *Conn) resumption() *resumption {
	id, _, handled, _ := c.w.kept()
	return &resumption{id, c.JID(), handled}
}

// streamResumption takes up a stream over this connection, in the place of binding a
// resource.
//
// XEP-0198, Section 5.
var streamResumption = feature{
	name:   xmltok.Name{Space: nsManagement, Local: "sm"},
	during: StepResume,
	wanted: func(m *machine) bool { return m.id.IsBare() && (m.initiator || m.manages) },

	announce: func(_ *machine, dst []byte) []byte { return append(dst, "<sm xmlns='"+nsManagement+"'/>"...) },
	starts:   func(el *element) bool { return el.is(nsManagement, "resume") },
	serve: func(m *machine, el *element) (step, error) {
		h, ok := parseHandled(el.attr("h"))
		m.previous = &resumption{id: el.attr("previd"), handled: h}
		if !ok || m.previous.id == "" {
			return m.unresumed(stanza.BadRequest, "asked to resume a stream without saying which")
		}
		m.becomeResuming()
		return step{}, nil
	},

	begin: func(m *machine, offer *element) (step, error) {
		m.managed = offer != nil
		if m.previous == nil {
			return step{}, nil
		}
		if offer == nil {
			return step{}, &notResumed{stanza.FeatureNotImplemented}
		}
		m.becomeNegotiating()
		out := []byte("<resume xmlns='" + nsManagement + "' previd='")
		out = xmltok.AppendEscaped(out, m.previous.id)
		out = append(out, "' h='"...)
		out = strconv.AppendUint(out, uint64(m.previous.handled), 10)
		return step{write: append(out, "'/>"...)}, nil
	},
	answer: func(m *machine, el *element) (step, error) {
		switch {
		case el.is(nsManagement, "resumed"):
			h, ok := parseHandled(el.attr("h"))
			if !ok || el.attr("previd") != m.previous.id {
				return step{}, &StreamError{Condition: BadFormat, Text: "that is not the stream that was asked for"}
			}
			m.peerHandled, m.id = h, m.previous.full
			m.becomeReady()
			return step{}, nil
		case el.is(nsManagement, "failed"):
			e := &notResumed{stanza.UndefinedCondition}
			for _, c := range el.children {
				if c.name.Space == nsStanzas {
					e.Condition = stanza.Condition(c.name.Local)
				}
			}
			return step{}, e
		}
		return m.unexpected(el)
	},
}

// resumed notes that the application has given this client that stream.
func (m *machine) resumed(full jid.JID) step {
	m.id = full
	m.becomeReady()
	return step{}
}

// unresumed refuses to take up a stream. The client hears the condition, which is the
// same for a stream that is another's as for one that is not there.
func (m *machine) unresumed(c stanza.Condition, why string) (step, error) {
	return step{write: appendNotManaged(nil, c), event: &event{audit.ResumptionRefused, why}}, m.refused()
}

// managedTooEarly refuses what is asked for of stream management before its time.
//
// XEP-0198, Sections 3 and 5.
func (m *machine) managedTooEarly(el *element) (step, error) {
	var ev *event
	if id := trespass(el.name); id != "" {
		ev = &event{id, "asked to resume a stream before it has authenticated"}
	}
	return step{write: appendNotManaged(nil, stanza.UnexpectedRequest), event: ev}, m.refused()
}

// askToResume gives a client the stream that it asks for, if that is its own.
func (s *shell) askToResume(ctx context.Context) (step, error) {
	wanted := s.m.previous
	var old *Conn
	if s.keeper != nil {
		old = s.keeper.Find(wanted.id)
	}
	if old == nil {
		return s.m.unresumed(stanza.ItemNotFound, "asked to resume a stream that is not there")
	}
	if err := s.mayResume(old); err != nil {
		return s.m.unresumed(stanza.ItemNotFound, "asked to resume the stream of "+old.JID().String()+": "+err.Error())
	}
	if err := old.w.valid(wanted.handled); err != nil {
		return step{event: &event{audit.ResumptionRefused, err.Error()}}, err
	}
	old.End(errTaken)
	if err := s.keeper.Claim(ctx, old); err != nil {
		return s.m.unresumed(stanza.ItemNotFound, "asked to resume the stream of "+old.JID().String()+": "+err.Error())
	}
	err := s.takeUp(ctx, old, wanted.handled, func(handled uint32) []byte {
		first := appendHandled(nil, "<resumed", handled)
		first = append(first[:len(first)-len("/>")], " previd='"...)
		return append(xmltok.AppendEscaped(first, wanted.id), "'/>"...)
	})
	if err == errEnded {
		return s.m.unresumed(stanza.ItemNotFound, "asked to resume a stream that has just ended")
	}
	if err != nil {
		return step{}, err
	}
	s.setJID(old.JID())
	s.keeper.Resumed(s.Conn)
	return s.m.resumed(old.JID()), nil
}

// takeUp makes s the connection of the stream of old, from which nobody reads any more.
// The peer has handled h stanzas of it.
func (s *shell) takeUp(ctx context.Context, old *Conn, h uint32, first func(handled uint32) []byte) error {
	select {
	case <-old.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	again, err := old.w.attach(s.stream, h, first)
	if err != nil {
		return err
	}
	s.w, s.managed, s.again = old.w, old.managed, again
	return nil
}
