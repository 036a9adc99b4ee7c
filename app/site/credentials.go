package site

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/pki"
)

// A Credential is what a party shows of itself, held against the rules by which its peers judge it.
type Credential struct {
	Layer string              // "TLS" or "E2E"
	File  string              // in the site folder
	Chain []*x509.Certificate // nil where it is a password
	Err   error               // why its peers would refuse it
	Warn  []error             // what they would bear
}

// Credentials are those of a party, first that for the broker, then that for its peers where end-to-end security is on.
func (s *Site) Credentials(p Party) ([]Credential, error) {
	var all []Credential
	if file := s.passwordOf(p); file != "" {
		_, err := readPassword(file)
		all = append(all, Credential{Layer: "TLS", File: s.relative(file), Err: err})
	} else {
		trust, err := s.trust(pki.E2M)
		if err != nil {
			return nil, err
		}
		all = append(all, s.credential(p, "TLS", "tls", trust.VerifyClient))
	}
	how, err := s.E2E(p.E2E)
	if err != nil || how.Mode == Off {
		return all, err
	}
	trust, err := s.trust(pki.E2E)
	if err != nil {
		return nil, err
	}
	return append(all, s.credential(p, "E2E", "e2e", trust.VerifyE2E)), nil
}

func (s *Site) credential(p Party, layer, name string, verify func([]*x509.Certificate, time.Time) (*pki.Verified, error)) Credential {
	c := Credential{Layer: layer, File: s.relative(s.partyFile(p.JID, name, "crt"))}
	id, err := s.identity(p.JID, name)
	if err != nil {
		c.Err = err
		return c
	}
	c.Chain = id.Chain
	if c.Err = checkOwn(p, layer, id, verify); c.Err != nil {
		return c
	}
	if v, err := verify(id.Chain, time.Now()); err == nil {
		for _, w := range v.Warnings() {
			c.Warn = append(c.Warn, w)
		}
	}
	return c
}

// relative is a file's name from the site folder, where it lies in it.
func (s *Site) relative(file string) string {
	if name, err := filepath.Rel(s.Dir, file); err == nil && filepath.IsLocal(name) {
		return name
	}
	return file
}

// CheckFolder says what of the site folder no party can do without and is not there or cannot be used.
func (s *Site) CheckFolder() error {
	var errs []error
	for _, h := range []pki.Hierarchy{pki.E2M, pki.E2E} {
		if _, err := s.trust(h); err != nil {
			errs = append(errs, err)
		}
	}
	for domain := range s.domains {
		for _, h := range []pki.Hierarchy{pki.E2M, pki.E2E} {
			if _, err := s.domainTrust(domain, h); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", s.Dir, err)
	}
	return nil
}

// GoOnline logs a party in to the broker. Nobody is told that it is there, and it takes no associations.
func (s *Site) GoOnline(ctx context.Context, p Party) (*xmpp82.Endpoint, error) {
	trust, err := s.endTrust()
	if err != nil {
		return nil, err
	}
	return s.endpoint(ctx, p, trust, 0)
}
