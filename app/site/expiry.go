package site

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"busbar.example/secure/pki"
)

// An Expiry is something in the site folder that ends some day.
type Expiry struct {
	File  string    `json:"file"` // from the site folder, where it lies in it
	What  string    `json:"what"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Stage string    `json:"stage"` // good, or what is to be done
	Days  int       `json:"days"`  // whole days that are left; negative when it has ended

	Due bool `json:"due"` // it is to be renewed, or has ended
}

// Expiries are those of all certificates and revocation lists that the site goes by, or that lie in its folder pki: what ends
// first comes first. An error is of files that cannot be read; the others are there all the same.
func (s *Site) Expiries(now time.Time) ([]Expiry, error) {
	var all []Expiry
	var errs []error
	for _, file := range s.certificateFiles() {
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found, err := pki.Describe(text, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
			continue
		}
		for _, d := range found {
			if d.NotAfter == nil || d.NotBefore == nil {
				continue
			}
			stage := pki.Term{From: *d.NotBefore, To: *d.NotAfter}.Stage(now)
			all = append(all, Expiry{File: s.relative(file), What: d.Kind + " of " + holder(d), From: *d.NotBefore, To: *d.NotAfter,
				Stage: stage.String(), Days: *d.DaysLeft, Due: stage != pki.StageGood})
		}
	}
	slices.SortStableFunc(all, func(a, b Expiry) int { return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.File, b.File)) })
	return all, errors.Join(errs...)
}

// holder names whom a certificate is of, and whose list it is.
func holder(d pki.Description) string {
	for _, names := range [][]string{d.XMPPAddrs, d.DNSNames} {
		if len(names) > 0 {
			return names[0]
		}
	}
	return cmp.Or(d.Subject, d.Issuer)
}

// certificateFiles are the files with certificates and lists: all below pki, and what busbar.yaml names elsewhere.
func (s *Site) certificateFiles() []string {
	var files []string
	filepath.WalkDir(s.Path("pki"), func(name string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(name); err == nil && d.Type().IsRegular() && (ext == ".crt" || ext == ".crl") {
			files = append(files, name)
		}
		return nil // what cannot be read is missing where it is needed, which is said there
	})
	for _, h := range []pki.Hierarchy{pki.E2M, pki.E2E} {
		files = append(files, sourceFiles(s.trustSources(h))...)
	}
	for _, d := range s.domains {
		files = append(files, slices.Concat(sourceFiles(s.sources(d.E2M)), sourceFiles(s.sources(d.E2E.Anchors)))...)
	}
	files = append(files, s.files(s.Config.MMS.Roots)...)
	slices.Sort(files)
	return slices.Compact(files)
}

// RenewCRLs writes the revocation lists of the authorities whose keys are in the folder anew, with what they list and a later
// due date, and returns their files.
func (s *Site) RenewCRLs() (files []string, err error) {
	for _, h := range []pki.Hierarchy{pki.E2M, pki.E2E} {
		for _, name := range []string{"root", "issuing"} {
			if _, err := os.Stat(s.Path("pki", folderOf(h), name+".key")); errors.Is(err, fs.ErrNotExist) {
				continue // it lies elsewhere, as it should
			}
			ca, err := s.loadCA(h, name)
			if err != nil {
				return files, err
			}
			if err := ca.WriteCRL(s.crlFile(h, name)); err != nil {
				return files, err
			}
			files = append(files, s.relative(s.crlFile(h, name)))
		}
	}
	if len(files) == 0 {
		return nil, Hint(errors.New("no key of an authority is in this folder"), "run this where pki/e2m/*.key and pki/e2e/*.key are, and copy the new lists pki/*.crl")
	}
	return files, nil
}
