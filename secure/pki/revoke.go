package pki

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

// crlValidity is how long a revocation list holds before the next one is due.
const crlValidity = 30 * 24 * time.Hour

// WriteCRL writes the CA's revocation list to a PEM file anew, with a higher
// number and a later due date: what the file lists already and what is revoked
// now. A file that does not exist is an empty list, one of another CA is an
// error. It fails while another process writes the same file.
//
// RFC 5280, Section 5
func (ca *CA) WriteCRL(file string, revoke ...*big.Int) (err error) {
	lock := file + ".lock"
	held, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing %s: another process holds %s (remove it if none runs)", file, lock)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	held.Close()
	defer func() { err = errors.Join(err, os.Remove(lock)) }()

	list, err := ca.nextCRL(file, revoke)
	if err != nil {
		return err
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Certificate(), ca.key)
	if err != nil {
		return fmt.Errorf("signing the revocation list: %w", err)
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: der}), 0o644)
}

// nextCRL returns the list that follows the one in the file.
func (ca *CA) nextCRL(file string, revoke []*big.Int) (*x509.RevocationList, error) {
	now := ca.now()
	next := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(crlValidity)}
	listed := map[string]bool{}
	last, err := ca.lastCRL(file)
	if err != nil {
		return nil, err
	}
	if last != nil {
		next.Number.Add(next.Number, last.Number)
		for _, e := range last.RevokedCertificateEntries {
			listed[serialKey(e.SerialNumber)] = true
			next.RevokedCertificateEntries = append(next.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: e.SerialNumber, RevocationTime: e.RevocationTime, ReasonCode: e.ReasonCode,
			})
		}
	}
	for _, serial := range revoke {
		if !listed[serialKey(serial)] {
			listed[serialKey(serial)] = true
			next.RevokedCertificateEntries = append(next.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: serial, RevocationTime: now,
			})
		}
	}
	return next, nil
}

// lastCRL returns the list in the file, nil if there is no file.
func (ca *CA) lastCRL(file string) (*x509.RevocationList, error) {
	lists, err := loadCRLs([]string{file})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case len(lists) != 1 || lists[0].Number == nil || lists[0].CheckSignatureFrom(ca.Certificate()) != nil:
		return nil, fmt.Errorf("%s is not a revocation list of %s", file, Name(ca.Certificate()))
	}
	return lists[0], nil
}
