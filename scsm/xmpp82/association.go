package xmpp82

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// inboxSize bounds the stanzas that wait for Recv. A peer that keeps to the agreed number of
// outstanding calls cannot fill it; one that fills it loses the association.
const inboxSize = 128

// Association is the Link of one association over XMPP. A call that the peer's server answers with a
// stanza error ends the association, because what the channel has counted as sent did not arrive.
type Association struct {
	endpoint *Endpoint
	peer     jid.JID
	half     string // our half of the id
	inbound  bool   // the peer asked for it
	inbox    chan inbound
	channel  atomic.Pointer[e2e.Channel]

	ctx    context.Context // ends with the association
	cancel context.CancelCauseFunc
	ending sync.Once

	// mu orders sealing with queueing, and both with unsealing, as the channel asks.
	mu        sync.Mutex
	id        string         // both halves; changed under the Endpoint's lock too
	initiator *e2e.Initiator // the asking side until the answer
	offer     *e2e.Offer     // the asked side until its answer
	first     mms.PDU        // the PDU that came in the handshake, until Recv
	subject   rbac.Subject
	limit     int // octets of a PDU that the peer takes
	concluded bool

	// tables is apart from mu, so that end never waits for a send.
	tables   sync.Mutex
	asked    map[uint32]stanza.Stanza // iqs of the peer that wait for our answer, by invokeID
	awaited  stanza.Stanza            // the iq of the peer's handshake, later of its conclude, until answered
	rejected map[uint32]struct{}      // calls of ours that a rejectPDU ended: their iq error is to follow
}

var _ assoc.Link = (*Association)(nil)

// inbound is a stanza for an association, or the reply to one of its iqs.
type inbound struct {
	stanza stanza.Stanza
	env    envelope
	reply  *expected // nil for what the peer sends on its own
}

// expected says what an iq of ours asked for.
type expected struct {
	what     mms.PDU // *mms.InitiateRequest, *mms.ConfirmedRequest, *mms.ConcludeRequest, or nil for a release
	invokeID uint32
}

func (e *Endpoint) newAssociation(peer jid.JID) *Association {
	a := &Association{
		endpoint: e,
		peer:     peer,
		inbox:    make(chan inbound, inboxSize),
		limit:    e.maxPDU,
		asked:    make(map[uint32]stanza.Stanza),
		rejected: make(map[uint32]struct{}),
	}
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	return a
}

// Peer is who the other end has proved to be; zero until the first Recv.
func (a *Association) Peer() rbac.Subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.subject
}

// Info describes the end-to-end channel; ok is false until it stands.
func (a *Association) Info() (info e2e.Info, ok bool) {
	if channel := a.channel.Load(); channel != nil {
		return channel.Info(), true
	}
	return e2e.Info{}, false
}

// Send protects a PDU and queues it in the stanza that its kind asks for.
func (a *Association) Send(ctx context.Context, pdu mms.PDU) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	octets, err := mms.AppendXER(nil, pdu)
	if err != nil {
		return fmt.Errorf("encode %T: %w", pdu, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	if len(octets) > a.limit {
		return &assoc.SizeError{Size: len(octets), Limit: a.limit}
	}
	if a.channel.Load() == nil {
		err = a.sendHandshake(pdu, octets)
	} else {
		err = a.sendData(pdu, octets)
	}
	if err != nil {
		a.end(err)
	}
	return err
}

// sendHandshake puts the first PDU of either side into the handshake.
func (a *Association) sendHandshake(pdu mms.PDU, octets []byte) error {
	now := a.endpoint.cfg.Now()
	switch p := pdu.(type) {
	case *mms.InitiateRequest:
		if a.initiator == nil {
			return errors.New("send: the peer asked for this association")
		}
		sec, err := a.initiator.Request(now, a.half, octets)
		if err != nil {
			return err
		}
		return a.ask(iqSet, a.half, sec, &expected{what: p})
	case *mms.InitiateResponse:
		if a.offer == nil {
			return errors.New("send: the peer did not ask for this association")
		}
		sec, channel, err := a.offer.Accept(now, a.id, octets)
		if err != nil {
			return err
		}
		a.offer = nil
		a.establish(channel, p)
		return a.answer(a.takeAwaited(), sec)
	case *mms.InitiateError:
		if a.offer == nil {
			return errors.New("send: the peer did not ask for this association")
		}
		sec, err := a.offer.Reject(now, a.id, octets)
		if err != nil {
			return err
		}
		a.offer = nil
		if err := a.answer(a.takeAwaited(), sec); err != nil {
			return err
		}
		a.end(io.EOF)
		return nil
	}
	return fmt.Errorf("send %T: the association is not established", pdu)
}

// establish takes the channel into use, and the PDU size that the initiate exchange settled: it counts in
// both directions.
func (a *Association) establish(channel *e2e.Channel, p *mms.InitiateResponse) {
	a.channel.Store(channel)
	a.watchLife(channel)
	if p.LocalDetailCalled != nil && int(*p.LocalDetailCalled) > 0 {
		a.limit = min(a.limit, int(*p.LocalDetailCalled))
	}
}

func (a *Association) sendData(pdu mms.PDU, octets []byte) error {
	sec, err := a.channel.Load().Seal(nil, a.endpoint.cfg.Now(), octets)
	if err != nil {
		return err
	}
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		return a.ask(carriageOf(p), a.id, sec, &expected{p, p.InvokeID})
	case *mms.ConcludeRequest:
		return a.ask(iqSet, a.id, sec, &expected{what: p})
	case *mms.ConfirmedResponse:
		return a.answerCall(p.InvokeID, sec)
	case *mms.ConfirmedError:
		return a.answerCall(p.InvokeID, sec)
	case *mms.ConcludeResponse, *mms.ConcludeError:
		_, a.concluded = pdu.(*mms.ConcludeResponse)
		return a.answer(a.takeAwaited(), sec)
	case *mms.Reject:
		return a.sendReject(p, sec)
	}
	return fmt.Errorf("send %T: it has no place in an established association", pdu)
}

// sendReject says why in a message; the iq that holds the refused request then gets its one answer.
func (a *Association) sendReject(p *mms.Reject, sec []byte) error {
	if err := a.tell(sec); err != nil {
		return err
	}
	if p.OriginalInvokeID == nil {
		return nil
	}
	if iq, ok := a.takeAsked(*p.OriginalInvokeID); ok {
		return a.endpoint.session.Send(a.ctx, iq.ErrorReply(stanza.NewError(stanza.BadRequest, "")))
	}
	return nil
}

func (a *Association) answerCall(invokeID uint32, sec []byte) error {
	iq, ok := a.takeAsked(invokeID)
	if !ok {
		return fmt.Errorf("answer to invokeID %d, which the peer did not ask", invokeID)
	}
	return a.answer(iq, sec)
}

func (a *Association) takeAsked(invokeID uint32) (stanza.Stanza, bool) {
	a.tables.Lock()
	defer a.tables.Unlock()
	iq, ok := a.asked[invokeID]
	delete(a.asked, invokeID)
	return iq, ok
}

func (a *Association) takeAwaited() stanza.Stanza {
	a.tables.Lock()
	defer a.tables.Unlock()
	iq := a.awaited
	a.awaited = stanza.Stanza{}
	return iq
}

// ask sends an iq whose reply is for the inbox, in order with everything else.
func (a *Association) ask(c carriage, id string, sec []byte, want *expected) error {
	iq := stanza.Stanza{Kind: c.kind, Type: c.typ, To: a.peer, Payload: appendEnvelope(nil, c.kind, id, sec)}
	return a.endpoint.session.SendIQ(a.ctx, iq, func(reply stanza.Stanza) {
		in := inbound{stanza: reply, reply: want}
		if reply.Type == stanza.Result {
			env, err := a.endpoint.opener.open(reply)
			if err != nil {
				a.endpoint.record(audit.E2EIQElementMissing, reply, err.Error())
				a.end(fmt.Errorf("the answer of %v is none: %w", a.peer, err))
				return
			}
			in.env = env
		}
		a.deliver(in)
	})
}

func (a *Association) answer(iq stanza.Stanza, sec []byte) error {
	return a.endpoint.session.Send(a.ctx, iq.Reply(appendEnvelope(nil, stanza.IQ, a.answerID(), sec)))
}

// answerID is the id under which we answer: both halves, whatever the peer's stanza said.
func (a *Association) answerID() string {
	if a.id == "" {
		return a.half
	}
	return a.id
}

func (a *Association) tell(sec []byte) error {
	return a.endpoint.session.Send(a.ctx, stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, To: a.peer,
		Payload: appendEnvelope(nil, stanza.Message, a.answerID(), sec)})
}

// deliver puts a stanza into the inbox. It runs on the session's reader and never waits.
func (a *Association) deliver(in inbound) {
	select {
	case a.inbox <- in:
	default:
		a.end(fmt.Errorf("%v sends faster than was agreed: %d stanzas wait", a.peer, inboxSize))
	}
}

// Recv gives the peer's next PDU.
func (a *Association) Recv(ctx context.Context) (mms.PDU, error) {
	if pdu := a.takeFirst(); pdu != nil {
		return pdu, nil
	}
	for {
		in, err := a.next(ctx)
		if err != nil {
			return nil, err
		}
		pdu, err := a.take(in)
		if err != nil {
			a.end(err)
			return nil, err
		}
		if pdu != nil {
			return pdu, nil
		}
	}
}

// takeFirst gives the PDU that came in the peer's handshake, once.
func (a *Association) takeFirst() mms.PDU {
	a.mu.Lock()
	defer a.mu.Unlock()
	pdu := a.first
	if pdu != nil {
		a.first = nil
		a.subject = a.offer.Peer()
	}
	return pdu
}

// next waits for a stanza. What arrived before the end is given before the end is told.
func (a *Association) next(ctx context.Context) (inbound, error) {
	select {
	case in := <-a.inbox:
		return in, nil
	default:
	}
	select {
	case in := <-a.inbox:
		return in, nil
	case <-ctx.Done():
		return inbound{}, ctx.Err()
	case <-a.ctx.Done():
		select {
		case in := <-a.inbox:
			return in, nil
		default:
			return inbound{}, context.Cause(a.ctx)
		}
	}
}

// watchLife ends the association when the channel's time has come: it was never confirmed, or its keys
// may serve no longer.
func (a *Association) watchLife(channel *e2e.Channel) {
	wait := channel.Next().Sub(a.endpoint.cfg.Now())
	timer := time.AfterFunc(max(wait, 0), func() {
		if channel.Expire(a.endpoint.cfg.Now()) {
			a.end(fmt.Errorf("the association's time is over: %w", net.ErrClosed))
			return
		}
		a.watchLife(channel)
	})
	context.AfterFunc(a.ctx, func() { timer.Stop() })
}

// end closes the association once, for one reason: io.EOF after an orderly release.
func (a *Association) end(cause error) {
	a.ending.Do(func() {
		a.cancel(cause)
		if channel := a.channel.Load(); channel != nil {
			channel.Close(a.endpoint.cfg.Now(), cause.Error())
		}
		a.endpoint.forget(a)
		a.tables.Lock()
		open := make([]stanza.Stanza, 0, len(a.asked)+1)
		for _, iq := range a.asked {
			open = append(open, iq)
		}
		if !a.awaited.From.IsZero() {
			open = append(open, a.awaited)
		}
		a.asked, a.awaited = nil, stanza.Stanza{}
		a.tables.Unlock()
		for _, iq := range open {
			a.endpoint.reply(context.Background(), iq, stanza.UndefinedCondition)
		}
	})
}

// Close ends the association: with a release where a conclude has been agreed, else with an abort.
func (a *Association) Close() error {
	if a.ctx.Err() != nil {
		return nil
	}
	a.mu.Lock()
	concluded := a.concluded
	a.mu.Unlock()
	switch {
	case concluded:
		a.release()
	case a.channel.Load() != nil:
		a.abort()
	}
	a.end(fmt.Errorf("association closed here: %w", net.ErrClosed))
	return nil
}

// abort tells the peer that this end gives up.
func (a *Association) abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	sec, err := a.channel.Load().Abort(a.endpoint.cfg.Now(), nil)
	if err == nil {
		err = a.tell(sec)
	}
	if err != nil {
		a.endpoint.log.Debug("abort not sent", "peer", a.peer.String(), "err", err)
	}
}

// release ends the secured association after MMS has concluded: the side that asked for the
// association asks for the release, the other answers. It waits 10 s at most.
func (a *Association) release() {
	ctx, cancel := context.WithTimeout(a.ctx, releaseTime)
	defer cancel()
	if !a.inbound {
		if err := a.askRelease(); err != nil {
			a.endpoint.log.Debug("release not sent", "peer", a.peer.String(), "err", err)
			return
		}
	}
	for {
		in, err := a.next(ctx)
		if err != nil {
			return
		}
		if _, err := a.take(in); err != nil {
			a.end(err)
			return
		}
	}
}

func (a *Association) askRelease() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	sec, err := a.channel.Load().ReleaseRequest(a.endpoint.cfg.Now())
	if err != nil {
		return err
	}
	return a.ask(iqSet, a.id, sec, &expected{})
}
