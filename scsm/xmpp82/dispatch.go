package xmpp82

import (
	"context"
	"errors"
	"fmt"
	"net"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// earlyIQs bounds the iqs that are kept until Dial has a session to answer them with.
const earlyIQs = 64

// handle sorts a stanza that is not a reply into the inbox of its association. It runs on the session's
// reader and never waits.
func (e *Endpoint) handle(st stanza.Stanza) {
	select {
	case <-e.attached:
	default:
		if e.postpone(st) {
			return
		}
	}
	if st.Kind == stanza.Presence {
		if st.Type == stanza.Unavailable {
			e.unavailable(st.From)
		}
		return
	}
	if st.Type == stanza.TypeError {
		e.bounced(st)
		return
	}
	env, err := e.opener.open(st)
	if err != nil {
		e.unusable(st, err)
		return
	}
	st.Payload = nil // what counts of it is in env
	if env.protected != e.protects() {
		e.mismatched(st, env)
		return
	}
	if _, both := clientHalf(env.id); !both {
		e.handshake(st, env)
		return
	}
	a := e.find(st.From, env.id)
	if a == nil {
		e.traceReceived(inbound{stanza: st, env: env}, nil, nil, errUnknown)
		// Nothing is signed for an association that does not exist: the peer may have lost it, or never had it.
		if isRequest(st) {
			e.reply(st, stanza.ItemNotFound)
		}
		return
	}
	a.deliver(inbound{stanza: st, env: env})
}

// postpone keeps an iq that comes while Dial is still under way, and drops what else does: there is no
// association yet. The reader must not wait for Dial, which waits for the reader.
func (e *Endpoint) postpone(st stanza.Stanza) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session != nil {
		return false
	}
	if isRequest(st) && len(e.early) < earlyIQs {
		st.Payload = nil
		e.early = append(e.early, st)
	}
	return true
}

func (e *Endpoint) find(peer jid.JID, id string) *Association {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.links[linkKey{peer, id}]
}

// handshake queues a HandshakeReq for Accept. An account has at most a few waiting, whatever its resources, so
// that one cannot keep the others out.
func (e *Endpoint) handshake(st stanza.Stanza, env envelope) {
	if (carriage{st.Kind, st.Type}) != iqSet {
		e.record(audit.E2EStanzaType, st, fmt.Sprintf("%s in %v type %q", env.name, st.Kind, st.Type))
		if isRequest(st) {
			e.reply(st, stanza.BadRequest)
		}
		return
	}
	account := st.From.Bare()
	e.mu.Lock()
	serve := e.cfg.Serve && !e.closed
	room := serve && e.awaiting[account] < acceptPerPeer
	if room {
		select {
		case e.offers <- offer{st, env}:
			e.awaiting[account]++
		default:
			room = false
		}
	}
	e.mu.Unlock()
	switch {
	case !serve:
		e.reply(st, stanza.ServiceUnavailable)
	case !room:
		e.record(audit.E2EHandshakeFlood, st, "too many handshakes wait")
		e.reply(st, stanza.ResourceConstraint)
	}
}

// unusable deals with a stanza that carries nothing for an association.
func (e *Endpoint) unusable(st stanza.Stanza, err error) {
	condition := stanza.ServiceUnavailable
	var fault *envelopeError
	if errors.As(err, &fault) {
		e.traceReceived(inbound{stanza: st}, nil, nil, err)
		e.record(fault.event, st, fault.text)
		condition = stanza.BadRequest
	}
	if isRequest(st) {
		e.reply(st, condition)
	}
}

// unavailable ends the associations of a peer that has left. A server says this unsigned, so it ends
// associations and does nothing else.
func (e *Endpoint) unavailable(peer jid.JID) {
	for _, a := range e.with(peer) {
		a.deliver(inbound{lost: &endedError{fmt.Sprintf("%v is no longer available", peer), net.ErrClosed}})
	}
}

// bounced ends the associations with a peer that a message of ours did not reach: what the channel has
// counted as sent is lost.
func (e *Endpoint) bounced(st stanza.Stanza) {
	for _, a := range e.with(st.From) {
		a.deliver(inbound{lost: &endedError{fmt.Sprintf("a message to %v came back", st.From), stanzaError(st)}})
	}
}

func (e *Endpoint) with(peer jid.JID) []*Association {
	e.mu.Lock()
	defer e.mu.Unlock()
	var links []*Association
	for key, a := range e.links {
		if key.peer == peer {
			links = append(links, a)
		}
	}
	return links
}

// isRequest reports whether st wants an answer.
//
// RFC 6120, Section 8.2.3.
func isRequest(st stanza.Stanza) bool {
	return st.Kind == stanza.IQ && (st.Type == stanza.Get || st.Type == stanza.Set)
}

func errorReply(iq stanza.Stanza, condition stanza.Condition) stanza.Stanza {
	return iq.ErrorReply(stanza.NewError(condition, ""))
}

// reply answers an iq of a peer with a stanza error.
func (e *Endpoint) reply(iq stanza.Stanza, condition stanza.Condition) {
	e.post(errorReply(iq, condition))
}

// post has a stanza sent and does not wait, as the reader must not. When the outbox is full the stanza is
// dropped: peers are asking for more than the server takes from us.
func (e *Endpoint) post(st stanza.Stanza) {
	select {
	case e.outbox <- st:
	default:
		e.log.Warn("answer dropped: too many wait", "to", st.To.String())
	}
}

// send queues a stanza for which nobody waits.
func (e *Endpoint) send(ctx context.Context, st stanza.Stanza) {
	if err := e.session.Send(ctx, st); err != nil {
		e.log.Debug("answer not sent", "to", st.To.String(), "err", err)
	}
}

// record reports what is wrong with a stanza, as often as the throttle lets it.
func (e *Endpoint) record(id audit.ID, st stanza.Stanza, text string) {
	now := e.cfg.Now()
	ok, missed := e.faults.Allow(st.From.Bare().String(), now)
	if !ok {
		return
	}
	if missed > 0 {
		text += fmt.Sprintf(" (%d more before, of all peers, were not reported)", missed)
	}
	e.audit.Record(audit.Event{ID: id, Time: now, Peer: st.From.String(), Subject: st.From.Bare().String(), Text: text})
}
