package xmppd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
)

// incoming is a stream of another domain's server.
type incoming struct {
	lane
	peer  *peer
	since time.Time
}

// ServePeers accepts streams of other domains' servers on l, as Serve does those of clients. Config.Federation must be set.
func (s *Server) ServePeers(ctx context.Context, l net.Listener) error {
	if s.fed == nil {
		l.Close()
		return errors.New("xmppd: there is no Federation")
	}
	return s.serveOn(ctx, l, func(nc net.Conn, seat *seat) func() bool {
		s.handlePeer(nc, seat)
		return nil
	})
}

// handlePeer serves one connection of another domain's server, from its first octet to its last.
func (s *Server) handlePeer(nc net.Conn, seat *seat) {
	defer context.AfterFunc(s.live, func() { nc.Close() })()
	in := &incoming{since: time.Now()}
	set := s.set.Load()
	conn, err := xmpp.AcceptServer(s.open, nc, xmpp.PeerServerConfig{
		Domain: s.cfg.Domain, Identity: set.Identity, Trust: s.fed.Trust,
		Pace:               func(octets int) { in.pace(octets) },
		NegotiationTimeout: s.cfg.NegotiationTimeout, WriteTimeout: s.cfg.WriteTimeout, Idle: s.fed.Idle, Limits: set.Stream,
		Logger: s.cfg.Logger, Audit: s.cfg.Audit,
	})
	if err == nil {
		seat.authenticated()
		if err = s.admit(in, conn); err == nil {
			s.cfg.Logger.Info("xmppd: a stream from another domain", "domain", in.jid, "address", nc.RemoteAddr())
			err = in.run()
			in.peer.leave(in)
			if !regular(err) && s.open.Err() == nil {
				s.lose(in.peer, err)
			}
		}
		conn.End(err)
		conn.Close()
	}
	s.cfg.Logger.Log(context.Background(), endLevel(err), "xmppd: the stream from another domain has ended", "peer", nc.RemoteAddr(), "err", err)
}

// admit takes an authenticated stream among those of its domain.
func (s *Server) admit(in *incoming, c *xmpp.Conn) error {
	p, refusal := s.peer(c.JID().Domain())
	if refusal != nil {
		return &xmpp.StreamError{Condition: xmpp.ResourceConstraint}
	}
	in.lane = lane{server: s, conn: c, content: stanza.ServerNamespace, jid: p.jid, account: p.account}
	in.peer = p
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.fed.over.Err() != nil {
		return &xmpp.StreamError{Condition: xmpp.SystemShutdown}
	}
	if len(p.incoming) >= s.fed.Streams { // the oldest may be one whose other end is no longer there
		oldest := p.incoming[0]
		p.incoming = p.incoming[1:]
		oldest.conn.End(&xmpp.StreamError{Condition: xmpp.Conflict, Text: "replaced by a newer stream"})
	}
	p.incoming = append(slices.Clip(p.incoming), in)
	p.link.noticed(time.Now())
	p.again()
	return nil
}

// leave takes a stream that has ended from among those of its domain.
func (p *peer) leave(in *incoming) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.incoming = slices.DeleteFunc(p.incoming, func(other *incoming) bool { return other == in })
}

// endIncoming ends all streams from the domain.
func (p *peer) endIncoming(cause error) {
	p.mu.Lock()
	all := slices.Clone(p.incoming)
	p.mu.Unlock()
	for _, in := range all {
		in.conn.End(cause)
	}
}

func (in *incoming) correspondent(a *account) *correspondent { return in.peer.correspondent(a) }

// reply sends something of the server's own to the other domain. It counts as that domain's own share of the queue to it:
// who asks much and reads little hears less.
func (in *incoming) reply(st stanza.Stanza) {
	share := &in.peer.correspondent(in.account).share
	if in.pushTo(in.peer, share, &st) != nil {
		in.account.tally.dropped.Add(1)
	}
}

// run reads the stream's stanzas and routes each before it reads the next, until the stream ends.
func (in *incoming) run() error {
	tap := in.server.cfg.Tap
	for {
		token, err := in.conn.Next()
		if err != nil {
			return err
		}
		in.count()
		from, _ := token.Attr("", "from")
		claimed := string(from)
		head, headErr := in.heads.Parse(token)
		var start []byte
		if tap != nil {
			start = bytes.Clone(in.conn.Scanner().RawStart())
		}
		if head.Payload, err = in.inner(start); err != nil {
			return err
		}
		if err := in.checkAddresses(claimed, head, headErr); err != nil {
			return err
		}
		if refusal, ok := errors.AsType[*stanza.Error](headErr); ok {
			refuse(in, head, refusal)
		} else if headErr == nil {
			in.account.tally.received[head.Kind].Add(1)
			in.route(head)
		}
		in.trim()
	}
}

// checkAddresses ends the stream of a server that speaks for a domain that it is not, or to one that we are not. An address
// of its own domain that we cannot read is its user's fault, and no reason to cut off all the others: what comes from it is
// passed over.
//
// RFC 6120, Sections 8.1.1.2 and 8.1.2.2.
func (in *incoming) checkAddresses(claimed string, head stanza.Stanza, headErr error) error {
	end := func(c xmpp.StreamCondition, format string, args ...any) error {
		in.audit(audit.ServerToServerRefused, fmt.Sprintf(format, args...))
		return &xmpp.StreamError{Condition: c}
	}
	unread := &stanza.Error{Condition: stanza.JIDMalformed}
	switch {
	case claimed == "":
		return end(xmpp.ImproperAddressing, "sent a stanza from nobody")
	case headErr == stanza.ErrInvalidFrom:
		if domainPart(claimed) == in.jid.Domain() {
			return nil
		}
		return end(xmpp.InvalidFrom, "sent a stanza from %.128q", claimed)
	case errors.Is(headErr, stanza.ErrNotStanza):
		return &xmpp.StreamError{Condition: xmpp.UnsupportedStanzaType}
	case head.From.Domain() != in.jid.Domain():
		return end(xmpp.InvalidFrom, "sent a stanza from %s", head.From)
	case errors.Is(headErr, unread):
		return nil // and is told so
	case head.To.IsZero():
		return end(xmpp.ImproperAddressing, "sent a stanza to nobody")
	case head.To.Domain() != in.server.cfg.Domain:
		return end(xmpp.ImproperAddressing, "sent a stanza to %s, which is not ours", head.To)
	}
	return nil
}

// domainPart returns what stands where the domain of an address does.
//
// RFC 7622, Section 3.1.
func domainPart(address string) string {
	address, _, _ = strings.Cut(address, "/")
	if _, domain, ok := strings.Cut(address, "@"); ok {
		return domain
	}
	return address
}

// route does with a stanza of another domain what its address and kind ask for.
func (in *incoming) route(st stanza.Stanza) {
	s := in.server
	switch {
	case st.From == in.jid && st.To == s.domain && st.Kind == stanza.IQ && answers(&st):
		in.peer.answered(st.ID)
	case st.Kind == stanza.IQ && answers(&st) && !in.peer.awaits(&st):
		in.account.tally.dropped.Add(1)
		if in.reported.CompareAndSwap(false, true) {
			in.audit(audit.ReplySpoofed, "sent an answer from "+st.From.String()+" to "+st.To.String()+", which has not asked: thrown away")
		}
	case !s.maySend(in, &st):
		s.deny(in, st)
	case st.Kind == stanza.IQ:
		s.routeIQ(in, st)
	case st.Kind == stanza.Message:
		s.routeMessage(in, st)
	default:
		in.presence(st)
	}
}

// awaits reports whether an answer from the domain may be one to what was asked there.
func (p *peer) awaits(st *stanza.Stanza) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked.answer(st, time.Now())
}

// ping asks the other server for a sign of life: over our stream to it, and it answers over its own to us.
//
// XEP-0199, Section 4.3.
func (p *peer) ping(c *xmpp.Conn) {
	p.mu.Lock()
	p.pings++
	id := fmt.Sprintf("ping-%d", p.pings)
	p.mu.Unlock()
	ping := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: id, From: p.server.domain, To: p.jid, Payload: []byte("<ping xmlns='" + nsPing + "'/>")}
	c.Push(ping.Append(nil)) // where there is no room, it is not idle
}

// answered takes an answer of the other server to ours. Whatever it says, it has read what came before the question.
func (p *peer) answered(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == fmt.Sprintf("ping-%d", p.pings) {
		p.link.answered(time.Now())
		p.again()
	}
}
