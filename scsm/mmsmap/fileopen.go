package mmsmap

import (
	"context"
	"io"
	"time"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// OpenFile begins to read a file. ctx bounds every read of it, too. IEC 61850-8-1, GetFile.
func (c *Client) OpenFile(ctx context.Context, name string, offset uint32) (io.ReadCloser, acsi.File, error) {
	f := &peerFile{ctx: ctx, association: c.association}
	if err := f.open(fileNamed(name), offset); err != nil {
		return nil, acsi.File{}, err
	}
	return f, fileOf(mms.FileName{name}, f.attributes), nil
}

// peerFile is a file that the peer gives, part by part.
type peerFile struct {
	ctx         context.Context // of all calls
	association *assoc.Association
	attributes  mms.FileAttributes
	id          int32
	opened      bool
	rest        []byte // that has come and is not read
	last        bool   // it is the last
}

func (f *peerFile) open(name mms.FileName, offset uint32) error {
	response, err := f.association.Call(f.ctx, &mms.FileOpenRequest{FileName: name, InitialPosition: offset})
	if err != nil {
		return errorsOfFiles.meaning(err)
	}
	r := response.(*mms.FileOpenResponse)
	f.id, f.attributes, f.opened = r.FRSMID, r.FileAttributes, true
	return nil
}

// Read gives what has come, and asks for the next part where that is used up.
func (f *peerFile) Read(p []byte) (int, error) {
	if len(f.rest) == 0 && f.last {
		return 0, io.EOF
	}
	if len(f.rest) == 0 {
		response, err := f.association.Call(f.ctx, &mms.FileReadRequest{FRSMID: f.id})
		if err != nil {
			return 0, errorsOfFiles.meaning(err)
		}
		r := response.(*mms.FileReadResponse)
		if len(r.FileData) == 0 && r.MoreFollows {
			return 0, &acsi.Error{Code: acsi.HardwareFault, Remote: true, Text: "it says that more of the file follows, and nothing does"}
		}
		if f.rest, f.last = r.FileData, !r.MoreFollows; len(f.rest) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// closeTime bounds how long the peer may take to close a file.
const closeTime = 10 * time.Second

// Close tells the peer that it is no longer read, even where the time for reading it is up.
func (f *peerFile) Close() error {
	if !f.opened {
		return nil
	}
	f.opened = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), closeTime)
	defer cancel()
	_, err := f.association.Call(ctx, &mms.FileCloseRequest{FRSMID: f.id})
	return errorsOfFiles.meaning(err)
}

// fileOpen opens a file for the peer.
func (s *server) fileOpen(ctx context.Context, r *mms.FileOpenRequest) (mms.ConfirmedServiceResponse, error) {
	if s.files.full() {
		return nil, errorsOfFiles.of(acsi.Errorf(acsi.TemporarilyUnavailable, "%d files are open", maxOpenFiles))
	}
	f, about, err := s.services.OpenFile(ctx, fileAsked(r.FileName), r.InitialPosition)
	if err != nil {
		return nil, errorsOfFiles.of(err)
	}
	return &mms.FileOpenResponse{FRSMID: s.files.add(f, s.association.Parameters().MaxPDU), FileAttributes: fileAttributes(about)}, nil
}
