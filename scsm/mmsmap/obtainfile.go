package mmsmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// SetFile has the IED fetch content, which it is offered under the name that it is to have there: meanwhile the IED may open
// and read that once, and nothing else. IEC 61850-8-1, SetFile.
func (c *Client) SetFile(ctx context.Context, name string, content io.Reader) error {
	o, err := c.offers.add(name, content, c.association.Parameters().MaxPDU)
	if err != nil {
		return err
	}
	defer c.offers.withdraw(o) // waits where content is being read
	_, err = call[*mms.ObtainFileResponse](ctx, c, &mms.ObtainFileRequest{SourceFile: fileNamed(name), DestinationFile: fileNamed(name)})
	return errors.Join(errorsOfFiles.meaning(err), c.offers.failed(o))
}

// offers are the files that the IED may fetch now. The zero offers has none. It is safe for concurrent use.
type offers struct {
	mu      sync.Mutex
	waiting map[string]*offer
	open    openFiles
}

// offer is one of them.
type offer struct {
	name    string
	content io.Reader
	maxPDU  int
	id      int32
	opened  bool
	err     error // of content
}

func (o *offers) add(name string, content io.Reader, maxPDU int) (*offer, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting[name] != nil {
		return nil, acsi.Errorf(acsi.TemporarilyUnavailable, "%q is being sent already", name)
	}
	if o.waiting == nil {
		o.waiting = make(map[string]*offer)
	}
	f := &offer{name: name, content: content, maxPDU: maxPDU}
	o.waiting[name] = f
	return f, nil
}

func (o *offers) withdraw(f *offer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.waiting, f.name)
	if f.opened {
		delete(o.open.files, f.id)
	}
}

// failed is why the content could not be read.
func (o *offers) failed(f *offer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return f.err
}

// Read reads the content.
func (f *offer) Read(p []byte) (int, error) {
	n, err := f.content.Read(p)
	if err != nil && err != io.EOF {
		f.err = fmt.Errorf("read what %q is to hold: %w", f.name, err)
		return n, acsi.Errorf(acsi.HardwareFault, "%v", f.err)
	}
	return n, err
}

// Close leaves the content open: it is the caller's.
func (f *offer) Close() error { return nil }

// fetch serves the IED what it is offered.
func (c *Client) fetch(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	c.offers.mu.Lock()
	defer c.offers.mu.Unlock()
	switch r := request.(type) {
	case *mms.FileOpenRequest:
		return c.offers.fileOpen(r)
	case *mms.FileReadRequest:
		return c.offers.open.read(r)
	case *mms.FileCloseRequest:
		return c.offers.open.close(r)
	}
	return nil, assoc.ErrUnrecognizedService
}

func (o *offers) fileOpen(r *mms.FileOpenRequest) (mms.ConfirmedServiceResponse, error) {
	f := o.waiting[fileName(r.FileName)]
	switch {
	case f == nil:
		return nil, &assoc.ServiceError{Class: mms.FileFileNonExistent}
	case f.opened:
		return nil, &assoc.ServiceError{Class: mms.FileFileBusy}
	case r.InitialPosition != 0:
		return nil, &assoc.ServiceError{Class: mms.FilePositionInvalid}
	}
	f.id, f.opened = o.open.add(f, f.maxPDU), true
	return &mms.FileOpenResponse{FRSMID: f.id, FileAttributes: mms.FileAttributes{SizeOfFile: sizeOf(f.content)}}, nil
}

// sizeOf is how much there is to read of content; 0 where nobody knows.
func sizeOf(content io.Reader) uint32 {
	var size int64
	switch c := content.(type) {
	case interface{ Len() int }:
		size = int64(c.Len())
	case interface{ Stat() (fs.FileInfo, error) }:
		if info, err := c.Stat(); err == nil {
			size = info.Size()
		}
	}
	return uint32(min(max(size, 0), math.MaxUint32))
}

// obtainFile fetches a file of the peer's.
func (s *server) obtainFile(ctx context.Context, r *mms.ObtainFileRequest) (mms.ConfirmedServiceResponse, error) {
	if r.SourceFileServer != nil {
		return nil, serviceError(acsi.Errorf(acsi.ObjectAccessUnsupported, "files are fetched of who asks for it only"))
	}
	f := &fetched{peerFile: peerFile{ctx: ctx, association: s.association}, source: r.SourceFile}
	err := s.services.SetFile(ctx, fileAsked(r.DestinationFile), f)
	closed := f.Close()
	if err != nil {
		return nil, errorsOfFiles.of(err)
	}
	if closed != nil {
		s.fault(fmt.Errorf("close the peer's file %q: %w", fileName(r.SourceFile), closed))
	}
	return &mms.ObtainFileResponse{}, nil
}

// fetched is a file of the peer's that is opened when it is first read: by then it is known that the peer may write it here.
type fetched struct {
	peerFile
	source mms.FileName
	tried  error
}

// Read reads, with an *acsi.Error where the peer refuses.
func (f *fetched) Read(p []byte) (int, error) {
	if !f.opened && f.tried == nil {
		f.tried = f.open(f.source, 0)
	}
	if f.tried != nil {
		return 0, refusedBy(f.tried)
	}
	n, err := f.peerFile.Read(p)
	if err == io.EOF {
		return n, err
	}
	return n, refusedBy(err)
}

// refusedBy makes a peer that does not serve its files one that refuses to.
func refusedBy(err error) error {
	if reject, ok := errors.AsType[*assoc.RejectError](err); ok {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "the peer does not give the file: %v", reject)
	}
	return err
}
