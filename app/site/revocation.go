package site

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"slices"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// defaultRefresh is how often a running party reads the revocation lists again.
const defaultRefresh = time.Minute

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

// refresher is a revocation list, or another file that says who may log in, and can be read again.
type refresher interface{ Refresh() error }

// watchRevocation reads the lists again from time to time, and then has those that stand rechecked. A list that
// cannot be read leaves the last one in force.
func watchRevocation(ctx context.Context, every time.Duration, log *slog.Logger, recheck func(), lists ...refresher) {
	if every <= 0 {
		every = defaultRefresh
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, list := range lists {
			if err := list.Refresh(); err != nil {
				log.Warn("who may log in, and who no longer, is not read again", "err", err)
			}
		}
		recheck()
	}
}
