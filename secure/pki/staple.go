package pki

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Staple has id show its TLS peers the answer of its CA's responder on itself, as
// the configuration names it or, where its host is allowed, its certificate. It asks
// where that is due, and waits until ctx ends. No responder is no error, unless the
// certificate demands one. Who has a staple calls it again from time to time: well
// before the answer ends a new one is got, and one that has ended is shown no more.
//
// RFC 6066, Section 8; RFC 7633
func (t *Trust) Staple(ctx context.Context, id *Identity, now time.Time) error {
	own := id.Chain[0]
	issuer := issuerOf(own, append(id.Chain[1:len(id.Chain):len(id.Chain)], t.basis.Load().anchors...))
	if issuer == nil || own.CheckSignatureFrom(issuer) != nil {
		return nil // a white list knows no CA
	}
	pending := t.online.want(own, issuer, now)
	a := t.online.answerOn(own, issuer)
	if a != nil && a.flight != nil {
		pending = append(pending, a.flight)
	}
	awaitAll(ctx, pending)
	a = t.online.answerOn(own, issuer)
	if a != nil && a.current(now) {
		id.staple.Store(&a.response.Raw)
		return nil
	}
	id.staple.Store(nil)
	err := errors.New("no responder is known")
	switch {
	case a == nil && !mustStaple(own):
		return nil
	case a != nil && a.err != nil:
		err = a.err
	case a != nil:
		err = errors.New("the responder does not answer in time, or the certificate is revoked")
	}
	return fmt.Errorf("stapling for %s: %w", Name(own), err)
}
