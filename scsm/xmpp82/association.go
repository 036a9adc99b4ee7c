package xmpp82

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Association is the Link of one association over XMPP. A call that the peer's server answers with a
// stanza error ends the association, because what the channel has counted as sent did not arrive.
type Association struct {
	endpoint *Endpoint
	peer     jid.JID
	half     string  // our half of the id
	inbound  bool    // the peer asked for it
	key      linkKey // in Endpoint.links; under its lock
	stands   bool    // counts in Endpoint.standing; under its lock
	secured  atomic.Pointer[security]
	ledger   ledger
	window   *window   // towards the peer's account; set as key is
	sealedAt time.Time // Recv's own

	ctx     context.Context // ends with the association
	cancel  context.CancelCauseFunc
	ending  sync.Once
	closing sync.Once

	// mu orders sealing with queueing, and both with unsealing, as the channel asks.
	mu        sync.Mutex
	id        string  // both halves
	initiator asking  // the asking side until the answer
	offer     asked   // the asked side until its answer
	first     mms.PDU // the PDU that came in the handshake, until Recv
	subject   rbac.Subject
	both      either // what Send uses again and again
	sealed    []byte
	wrapped   []byte
	request   []byte               // our initiate request, until it is answered
	initiate  *mms.InitiateRequest // the same
	retries   int                  // of the request, with other halves of an id
	waits     int                  // before the request was sent again, since the peer was not there
	limit     atomic.Int64         // octets of a PDU that the peer takes
	takes     int                  // octets of a PDU that we take
	confirmed chan struct{}        // closed once a peer that asked has sent data
	concluded atomic.Bool
}

var _ assoc.Link = (*Association)(nil)

func (e *Endpoint) newAssociation(peer jid.JID) *Association {
	a := &Association{endpoint: e, peer: peer, takes: e.maxPDU, ledger: newLedger(), confirmed: make(chan struct{})}
	a.limit.Store(int64(e.maxPDU))
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	return a
}

// Peer is who the other end has proved to be; zero until the first Recv.
func (a *Association) Peer() rbac.Subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.subject
}

// Sealed is the time in token2 of the PDU that Recv gave last; zero without end-to-end security.
//
// IEC 62351-4, 14.4.
func (a *Association) Sealed() time.Time { return a.sealedAt }

// MaxPDU is what a stanza has room for, in octets.
func (a *Association) MaxPDU() int { return a.endpoint.maxPDU }

// ID is the association id: client's half, colon, server's half. It is empty until both are known.
func (a *Association) ID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.id
}

// Info describes the end-to-end channel; ok is false until it stands, and where end-to-end security is off.
func (a *Association) Info() (info e2e.Info, ok bool) {
	if channel, ok := a.security().(*e2e.Channel); ok {
		return channel.Info(), true
	}
	return e2e.Info{}, false
}

// security is nil until the association is established.
func (a *Association) security() security {
	if s := a.secured.Load(); s != nil {
		return *s
	}
	return nil
}

// watchLife ends the association when its time has come: it was never confirmed, or its keys may serve no
// longer.
func (a *Association) watchLife(s security) {
	next := s.Next()
	if next.IsZero() {
		return
	}
	timer := time.AfterFunc(max(next.Sub(a.endpoint.cfg.Now()), 0), func() {
		if s.Expire(a.endpoint.cfg.Now()) {
			a.end(ended("the association's time is over"))
			return
		}
		a.watchLife(s)
	})
	context.AfterFunc(a.ctx, func() { timer.Stop() })
}

// fail ends the association because of an error that the peer has not caused by ending it, and tells the peer.
func (a *Association) fail(cause error) {
	a.ending.Do(func() { a.finish(cause, cause != io.EOF) })
}

// wholeID is the id that the association has in Endpoint.links, for those who may hold a.mu.
func (a *Association) wholeID() string {
	a.endpoint.mu.Lock()
	defer a.endpoint.mu.Unlock()
	return a.key.id
}

// abort tells the peer that this end gives up. It does not wait, and does nothing where the channel has ended.
func (a *Association) abort(s security, id string) {
	octets, err := s.Abort(a.endpoint.cfg.Now(), nil)
	if err != nil {
		return
	}
	a.postSecPDU(id, octets)
}

// end closes the association once, for one reason: io.EOF after an orderly release.
func (a *Association) end(cause error) {
	a.ending.Do(func() { a.finish(cause, false) })
}

// finish says why first, then tells the peer, before the peer learns it from the errors that its calls get.
func (a *Association) finish(cause error, tell bool) {
	a.cancel(cause)
	if s := a.security(); s != nil {
		if tell {
			a.abort(s, a.wholeID())
		}
		s.Close(a.endpoint.cfg.Now(), cause.Error())
	}
	a.traceEnded(cause)
	open := a.ledger.end()
	a.window.leave(a.ledger.takeHeld())
	a.endpoint.forget(a)
	for _, iq := range open {
		a.endpoint.reply(iq, stanza.UndefinedCondition)
	}
	for _, id := range a.ledger.abandoned() {
		a.endpoint.session.Abandon(a.peer, id)
	}
}

// Close ends the association: with a release where a conclude has been agreed, else with an abort.
func (a *Association) Close() error {
	a.closing.Do(func() {
		if a.ctx.Err() != nil {
			return
		}
		if a.concluded.Load() {
			if !a.endpoint.protects() {
				a.end(io.EOF)
				return
			}
			a.release()
		}
		a.fail(ended("association closed here"))
	})
	return nil
}

// release ends the secured association after MMS has concluded: the side that asked for the
// association asks for the release, the other answers. It waits 10 s at most.
func (a *Association) release() {
	ctx, cancel := context.WithTimeout(a.ctx, releaseTime)
	defer cancel()
	if !a.inbound {
		if err := a.askRelease(ctx); err != nil {
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

func (a *Association) askRelease(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	sec, err := a.security().(*e2e.Channel).ReleaseRequest(a.endpoint.cfg.Now())
	if err != nil {
		return err
	}
	return a.askPeer(ctx, iqSet, a.id, sec, &expected{})
}
