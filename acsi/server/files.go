package server

import (
	"context"
	"fmt"
	"io"

	"busbar.example/acsi"
	"busbar.example/acsi/server/file"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// maxOpenFiles is how many files an association reads at once.
const maxOpenFiles = 16

// makeFiles serves the files, where there is a folder of them.
func (e *Engine) makeFiles() (err error) {
	if e.cfg.Files != nil {
		e.files, err = file.New(file.Config{Root: e.cfg.Files, MaxSize: e.cfg.MaxFileSize})
	}
	return err
}

// fileServices are those on files that are served.
func (s *session) fileServices() acsi.ServiceSet {
	if s.e.files == nil {
		return 0
	}
	return acsi.GetFiles | acsi.GetFile | acsi.SetFile | acsi.DeleteFile
}

// aboutFile decides about a service on a file. Files are the server's, not a logical device's.
func (c *call) aboutFile(right rbac.Right, name string) error {
	if c.e.files == nil {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED has no files")
	}
	if d := c.allowed(right, ""); !d.Allowed {
		c.deny(right, d, fmt.Sprintf("%q", clip(name)))
		return acsi.Errorf(acsi.ObjectAccessDenied, "it takes the right %s: %s", right, d.Reason)
	}
	return nil
}

// GetFiles takes the right to read files.
func (s *session) GetFiles(_ context.Context, name string) ([]acsi.File, error) {
	c := s.begin(acsi.GetFiles)
	defer c.end()
	if err := c.aboutFile(rbac.FileRead, name); err != nil {
		return nil, err
	}
	return s.e.files.List(name)
}

// OpenFile takes the right to read files. An association reads at most 16 at once.
func (s *session) OpenFile(_ context.Context, name string, offset uint32) (io.ReadCloser, acsi.File, error) {
	c := s.begin(acsi.GetFile)
	defer c.end()
	if err := c.aboutFile(rbac.FileRead, name); err != nil {
		return nil, acsi.File{}, err
	}
	r, info, err := s.e.files.Open(name, offset)
	if err != nil {
		return nil, acsi.File{}, err
	}
	open := &openFile{ReadCloser: r, s: s, name: name}
	if err := open.register(); err != nil {
		r.Close()
		return nil, acsi.File{}, err
	}
	c.record(audit.FileRead, fmt.Sprintf("%q, %d octets from %d on", clip(name), info.Size, offset))
	return open, info, nil
}

// SetFile takes the right to write files.
func (s *session) SetFile(ctx context.Context, name string, content io.Reader) error {
	c := s.begin(acsi.SetFile)
	defer c.end()
	if err := c.aboutFile(rbac.FileWrite, name); err != nil {
		return err
	}
	counted := &countingReader{Reader: content}
	if err := s.e.files.Set(ctx, name, counted); err != nil {
		return err
	}
	c.record(audit.FileWritten, fmt.Sprintf("%q, %d octets", clip(name), counted.n))
	return nil
}

type countingReader struct {
	io.Reader
	n int64
}

func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.n += int64(n)
	return n, err
}

// DeleteFile takes the right to manage files.
func (s *session) DeleteFile(_ context.Context, name string) error {
	c := s.begin(acsi.DeleteFile)
	defer c.end()
	if err := c.aboutFile(rbac.FileMngt, name); err != nil {
		return err
	}
	if err := s.e.files.Delete(name); err != nil {
		return err
	}
	c.record(audit.FileDeleted, fmt.Sprintf("%q", clip(name)))
	return nil
}

// openFile is a file that an association reads, until it is closed or the association ends.
type openFile struct {
	io.ReadCloser
	s    *session
	name string
}

// Read takes the right to read files each time: it may have run out meanwhile.
func (f *openFile) Read(b []byte) (int, error) {
	c := f.s.begin(acsi.GetFile)
	defer c.end()
	if err := c.aboutFile(rbac.FileRead, f.name); err != nil {
		return 0, err
	}
	return f.ReadCloser.Read(b)
}

// register counts the file in.
func (f *openFile) register() error {
	f.s.e.mu.Lock()
	defer f.s.e.mu.Unlock()
	switch {
	case f.s.closed:
		return errClosed
	case len(f.s.open) >= maxOpenFiles:
		return acsi.Errorf(acsi.TemporarilyUnavailable, "%d files are being read already", maxOpenFiles)
	}
	if f.s.open == nil {
		f.s.open = map[*openFile]struct{}{}
	}
	f.s.open[f] = struct{}{}
	return nil
}

// Close ends the reading.
func (f *openFile) Close() error {
	f.s.e.mu.Lock()
	delete(f.s.open, f)
	f.s.e.mu.Unlock()
	return f.ReadCloser.Close()
}

// closeFiles closes what the association has open.
func (s *session) closeFiles() {
	for f := range s.open {
		f.ReadCloser.Close()
	}
	s.open = nil
}
