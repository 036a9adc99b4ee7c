package xmpp

import (
	"errors"
	"math/rand/v2"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// Recheck judges the server's certificate again, by what Config.Trust knows now, and
// ends the session with reset if a login would fail by it: it has expired, is
// revoked, or its CA is no longer trusted. The error is a *pki.VerifyError, which was
// recorded.
//
// RFC 6120, Section 4.9.3.16; IEC 62351-3
func (s *Session) Recheck() error {
	c := s.current()
	peer := c.Info().Peer
	if peer == nil || c.Err() != nil {
		return nil
	}
	err := s.cfg.Trust.Recheck(peer, time.Now())
	if err == nil {
		return nil
	}
	withdrawn := audit.CredentialWithdrawn
	if refused, ok := errors.AsType[*pki.VerifyError](err); ok {
		c.record(refused.ID, "", err)
		if refused.ID == audit.CertificateRevoked {
			withdrawn = audit.TLSClosedByRevocation
		}
	}
	c.record(withdrawn, "the server's certificate is no longer valid", nil)
	c.End(&StreamError{Condition: Reset})
	return err
}

// Renew has the session log in with another identity of the same account, the next
// time that it connects. A server does not let a stream be taken up again with another
// key: the session ends then.
func (s *Session) Renew(id *pki.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Identity = id
}

// config returns what the next connection is made with.
func (s *Session) config() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

const (
	defaultMaxAge = 12 * time.Hour
	longestMaxAge = 24 * time.Hour
)

// life is how long a connection lasts that may become as old as longest says. It is up
// to a tenth shorter, as early says from 0 to 1: what began together is not to end
// together. 0: it has no bound.
func life(longest time.Duration, early float64) time.Duration {
	switch {
	case longest < 0:
		return 0
	case longest == 0:
		longest = defaultMaxAge
	case longest > longestMaxAge:
		longest = longestMaxAge
	}
	return longest - time.Duration(early*float64(longest)/10)
}

// age has the connection left in an orderly way when it has become too old. What stops
// it when the connection ends before is returned.
func (s *Session) age(c *Conn) (stop func()) {
	d := life(s.cfg.MaxAge, rand.Float64())
	if d == 0 {
		return func() {}
	}
	t := time.AfterFunc(d, func() {
		c.record(audit.StreamRetired, "the connection has reached its age: both ends have to show their certificates again", nil)
		c.End(ErrAged)
	})
	return func() { t.Stop() }
}
