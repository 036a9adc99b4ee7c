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
// or a revocation list that was read since names it.
//
// IEC 62351-3, revocation during a session.
func (l *Listener) Recheck() {
	l.mu.Lock()
	all := make([]*Association, 0, len(l.all))
	for a := range l.all {
		all = append(all, a)
	}
	l.mu.Unlock()
	now := time.Now()
	var ending sync.WaitGroup
	for _, a := range all {
		if certificate, err := a.unfit(now); err != nil {
			ending.Go(func() { a.withdraw(certificate, err) }) // one that does not read must not hold up the others' end
		}
	}
	ending.Wait()
}

// noteShown remembers a certificate for Recheck.
func (a *Association) noteShown(v *pki.Verified, trust *pki.Trust) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shown = append(a.shown, shown{v, trust})
}

// unfit is a certificate of the peer that is no longer good, and why.
func (a *Association) unfit(now time.Time) (*pki.Verified, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.shown {
		if err := s.trust.Recheck(s.certificate, now); err != nil {
			return s.certificate, err
		}
	}
	return nil, nil
}

// withdraw ends an association because of a certificate.
func (a *Association) withdraw(v *pki.Verified, why error) {
	withdrawn := audit.CredentialWithdrawn
	var refused *pki.VerifyError
	if errors.As(why, &refused) {
		a.record(refused.ID, why.Error())
		if refused.ID == audit.CertificateRevoked {
			withdrawn = audit.TLSClosedByRevocation // which IEC 62351-14 has an id for
		}
	}
	a.record(withdrawn, "the client's certificate is no longer valid")
	a.abort(&endedError{fmt.Sprintf("the certificate of %s is no longer good", pki.Name(v.Leaf())), why})
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
