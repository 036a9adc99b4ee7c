package site

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"slices"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// Revoke takes away the password of j, if it has one, and puts the certificates that it has now on the revocation lists
// of both issuing authorities. Who runs in this folder acts on it within a minute; copies of the site need the new lists.
func (s *Site) Revoke(j jid.JID) error {
	j = j.Bare()
	if j.Domain() != s.Domain {
		return s.otherDomain(j)
	}
	named, err := s.PasswordAccounts()
	byPassword := slices.Contains(named, j.String())
	if byPassword {
		err = s.RemovePassword(j)
	}
	return errors.Join(err, s.revokeCertificates(j, byPassword))
}

// revokeCertificates is Revoke for the certificates of j, of which that for TLS may be missing where a password was in its
// place, and that for MMS where it does not serve that.
func (s *Site) revokeCertificates(j jid.JID, byPassword bool) error {
	for _, layer := range []struct {
		hierarchy pki.Hierarchy
		name      string
	}{{pki.E2E, "e2e"}, {pki.E2M, "tls"}, {pki.E2M, "mms"}} {
		serial, err := s.serial(j, layer.name)
		optional := byPassword && layer.name == "tls" || layer.name == "mms"
		if optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		ca, err := s.loadCA(layer.hierarchy, "issuing")
		if err != nil {
			return err
		}
		if err := ca.WriteCRL(s.crlFile(layer.hierarchy, "issuing"), serial); err != nil {
			return err
		}
	}
	return nil
}

// serial is the serial number of a certificate of j.
func (s *Site) serial(j jid.JID, name string) (*big.Int, error) {
	file := s.partyFile(j, name, "crt")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(fmt.Errorf("%v has no %s certificate here: %w", j, name, err), "only what was issued in this folder can be revoked here")
	}
	if err != nil {
		return nil, err
	}
	c, err := Certificate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c.SerialNumber, nil
}
