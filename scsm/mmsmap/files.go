package mmsmap

import (
	"errors"
	"io"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// fileNamed is the name of a file as it travels: one part, whatever it has in it.
//
// IEC 61850-8-1, FileName.
func fileNamed(name string) mms.FileName {
	if name == "" {
		return nil
	}
	return mms.FileName{name}
}

// fileAsked is the file that a client means: clients of some makers begin at the root with /, others without.
func fileAsked(name mms.FileName) string { return strings.TrimPrefix(fileName(name), "/") }

// generalized is the form of GeneralizedTime that is sent. ISO 8824-1, GeneralizedTime.
const generalized = "20060102150405Z"

func fileAttributes(f acsi.File) mms.FileAttributes {
	a := mms.FileAttributes{SizeOfFile: f.Size}
	if !f.Modified.IsZero() {
		a.LastModified = f.Modified.UTC().Format(generalized)
	}
	return a
}

// fileOf is the reverse of fileAttributes. A time that nobody can read is none.
func fileOf(name mms.FileName, a mms.FileAttributes) acsi.File {
	f := acsi.File{Name: fileName(name), Size: a.SizeOfFile}
	for _, form := range []string{"20060102150405Z0700", "20060102150405", "200601021504Z0700"} {
		if t, err := time.Parse(form, a.LastModified); err == nil {
			f.Modified = t.UTC()
			break
		}
	}
	return f
}

// maxOpenFiles bounds the files that a peer has open at once.
const maxOpenFiles = 16

// openFiles are the files that the other end reads here. The zero openFiles has none. One goroutine at a time uses it.
type openFiles struct {
	files map[int32]readFile
	last  int32
}

type readFile struct {
	io.ReadCloser
	part int // octets that go into a PDU
}

// add gives a file the number that it is read by.
func (o *openFiles) add(f io.ReadCloser, maxPDU int) int32 {
	if o.files == nil {
		o.files = make(map[int32]readFile)
	}
	for taken := true; taken; _, taken = o.files[o.last] {
		o.last = (o.last + 1) & (1<<31 - 1)
	}
	o.files[o.last] = readFile{f, max(1, roomForNames(maxPDU)/2)} // in XML an octet is two characters
	return o.last
}

func (o *openFiles) full() bool { return len(o.files) >= maxOpenFiles }

// read gives the next part of a file.
func (o *openFiles) read(r *mms.FileReadRequest) (mms.ConfirmedServiceResponse, error) {
	f, open := o.files[r.FRSMID]
	if !open {
		return nil, &assoc.ServiceError{Class: mms.FileFileNonExistent}
	}
	part := make([]byte, f.part)
	n, err := io.ReadFull(f, part)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &mms.FileReadResponse{FileData: part[:n]}, nil
	case err != nil:
		return nil, errorsOfFiles.of(err)
	}
	return &mms.FileReadResponse{FileData: part, MoreFollows: true}, nil
}

func (o *openFiles) close(r *mms.FileCloseRequest) (mms.ConfirmedServiceResponse, error) {
	f, open := o.files[r.FRSMID]
	if !open {
		return nil, &assoc.ServiceError{Class: mms.FileFileNonExistent}
	}
	delete(o.files, r.FRSMID)
	if err := f.Close(); err != nil {
		return nil, errorsOfFiles.of(err)
	}
	return &mms.FileCloseResponse{}, nil
}

// closeAll closes what the other end has left open.
func (o *openFiles) closeAll() {
	for _, f := range o.files {
		f.Close()
	}
	o.files = nil
}
