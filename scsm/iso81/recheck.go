package iso81

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// shown is a certificate that the peer has shown, and what it was verified by.
type shown struct {
	certificate *pki.Verified
	trust       *pki.Trust
}

// Recheck ends the associations of which a certificate that the peer has shown, in TLS or in ACSE, is no longer good: it has expired,
// or a revocation list that was read since names it. It also ends those whose TLS connection is older than TLS.MaxAge.
//
// IEC 62351-3, revocation during a session.
func (l *Listener) Recheck() {
	l.mu.Lock()
	all := make([]*Association, 0, len(l.all))
	for a := range l.all {
		all = append(all, a)
	}
	l.mu.Unlock()
	var ending sync.WaitGroup
	for _, a := range all {
		ending.Go(func() { a.Recheck() }) // one that does not read must not hold up the others' end
	}
	ending.Wait()
}

// Recheck is Listener.Recheck for one association, at either end. It returns why the association has ended, if it has.
func (a *Association) Recheck() error {
	now := time.Now()
	if certificate, err := a.unfit(now); err != nil {
		return a.withdraw(certificate, err)
	}
	if a.aged(now) {
		a.record(audit.StreamRetired, "the TLS connection has reached its age: both ends have to show their certificates again")
		why := ended("its TLS connection has reached its age")
		a.abort(why)
		return why
	}
	return nil
}

// aged reports whether the TLS connection has reached its age.
func (a *Association) aged(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause == nil && !a.until.IsZero() && now.After(a.until)
}

// Renew has connections from now on shown another identity. The Listener must have been made with TLS.
func (l *Listener) Renew(id *pki.Identity) {
	next, tls := *l.base, *l.base.TLS
	tls.Identity = id
	next.TLS = &tls
	l.renewed.Store(&next)
}

// noteShown remembers a certificate for Recheck.
func (a *Association) noteShown(v *pki.Verified, trust *pki.Trust) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shown = append(a.shown, shown{v, trust})
	if a.cfg.TLS != nil && a.until.IsZero() {
		a.until = a.cfg.TLS.ends(time.Now())
	}
}

// unfit is a certificate of the peer that is no longer good, and why.
func (a *Association) unfit(now time.Time) (*pki.Verified, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.shown {
		if a.cause != nil {
			return nil, nil
		}
		if err := s.trust.Recheck(s.certificate, now); err != nil {
			return s.certificate, err
		}
	}
	return nil, nil
}

// withdraw ends an association because of a certificate.
func (a *Association) withdraw(v *pki.Verified, why error) error {
	withdrawn := audit.CredentialWithdrawn
	var refused *pki.VerifyError
	if errors.As(why, &refused) {
		a.record(refused.ID, why.Error())
		if refused.ID == audit.CertificateRevoked {
			withdrawn = audit.TLSClosedByRevocation // which IEC 62351-14 has an id for
		}
	}
	a.record(withdrawn, "the peer's certificate is no longer valid")
	cause := &endedError{fmt.Sprintf("the certificate of %s is no longer good", pki.Name(v.Leaf())), why}
	a.abort(cause)
	return cause
}

// abort ends the association, and reports whether the peer is told.
func (a *Association) abort(cause error) (told bool) {
	a.mu.Lock()
	var last []byte
	if a.cause == nil && a.machine.state != connected {
		last = a.machine.abort(abortByUser)
	}
	a.mu.Unlock()
	a.end(cause, last)
	return last != nil
}
