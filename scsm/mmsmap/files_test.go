package mmsmap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// octets are n of them, no two alike next to each other.
func octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> (i % 5))
	}
	return b
}

// Files of all sizes around that of a part, in both directions.
//
// Conformance: cFt.
func TestFilesAreReadAndWritten(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	const part = (assoc.MinPDU - 1024) / 2
	for _, size := range []int{0, 1, part - 1, part, part + 1, 3 * part, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			f.content = octets(size)
			r, about, err := c.OpenFile(t.Context(), "COMTRADE/a b.cfg", 0)
			if err != nil {
				t.Fatal(err)
			}
			if want := (acsi.File{Name: "COMTRADE/a b.cfg", Size: uint32(size), Modified: noon}); about != want {
				t.Errorf("got %+v, want %+v", about, want)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, f.content) {
				t.Errorf("read: got %d octets, %v", len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("close once more: %v", err)
			}
			content := octets(size)
			if err := c.SetFile(t.Context(), "new.cid", bytes.NewReader(content)); err != nil || !bytes.Equal(f.written, content) {
				t.Errorf("write: %d octets arrive, %v", len(f.written), err)
			}
			want := []string{`open "COMTRADE/a b.cfg" at 0`, "close", `write "new.cid"`}
			if diff := cmp.Diff(want, f.heard()); diff != "" {
				t.Errorf("the services hear (-want +got):\n%s", diff)
			}
		})
	}
	f.content = octets(1000)
	r, _, err := c.OpenFile(t.Context(), "x", 990)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, f.content[990:]) {
		t.Errorf("from an offset on: got %v %v", got, err)
	}
}

func TestFilesAreListedAndDeleted(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	for i := range 300 { // more than a PDU has room for
		f.files = append(f.files, acsi.File{Name: fmt.Sprintf("COMTRADE/%03d&.dat", i), Size: uint32(i), Modified: noon.Add(time.Duration(i) * time.Second)})
	}
	f.files[7].Modified = time.Time{}
	got, err := c.GetFiles(t.Context(), "COMTRADE/*.dat")
	if diff := cmp.Diff(f.files, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := len(f.heard()); n < 5 {
		t.Errorf("all in %d parts", n)
	}
	f.files = nil
	if got, err := c.GetFiles(t.Context(), ""); err != nil || len(got) != 0 {
		t.Errorf("no files: got %v %v", got, err)
	}
	if err := c.DeleteFile(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{`files ""`, `remove "a/b"`}, f.heard()); diff != "" {
		t.Errorf("the services hear (-want +got):\n%s", diff)
	}
}

// A list goes on after a file that is gone by then, from where that was.
func TestListOfFilesGoesOnAfterOneThatIsGone(t *testing.T) {
	f := newFake()
	for _, name := range []string{"a", "c", "e"} {
		f.files = append(f.files, acsi.File{Name: name})
	}
	a, _ := rawly(t, f.services, everyRole())
	for after, want := range map[string]string{"a": "c e", "b": "c e", "c": "e", "d": "e", "e": "", "f": ""} {
		r, err := a.Call(t.Context(), &mms.FileDirectoryRequest{ContinueAfter: mms.FileName{after}})
		if err != nil {
			t.Errorf("after %s: %v", after, err)
			continue
		}
		var names []string
		for _, entry := range r.(*mms.FileDirectoryResponse).ListOfDirectoryEntry {
			names = append(names, strings.Join(entry.FileName, ""))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("after %s: got %q, want %q", after, got, want)
		}
	}
}

// Clients of some makers begin names with a /: that is the root, as no name is.
func TestNamesFromTheRoot(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	r, _, err := c.OpenFile(t.Context(), "/a/b", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, list := c.GetFiles(t.Context(), "/")
	if err := errors.Join(r.Close(), list, c.DeleteFile(t.Context(), "/a"), c.SetFile(t.Context(), "/c", strings.NewReader("x"))); err != nil {
		t.Error(err)
	}
	want := []string{`open "a/b" at 0`, `files ""`, "close", `remove "a"`, `write "c"`}
	if diff := cmp.Diff(want, f.heard()); diff != "" {
		t.Errorf("the services hear (-want +got):\n%s", diff)
	}
}

// Conformance: cFt.
func TestErrorsOfFiles(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	a, _ := rawly(t, f.services, everyRole())
	for code, class := range map[acsi.Code]mms.ErrorClass{
		acsi.ObjectNonExistent:           mms.FileFileNonExistent,
		acsi.ObjectAccessDenied:          mms.FileFileAccessDenied,
		acsi.InvalidAddress:              mms.FileFilenameSyntaxError,
		acsi.ObjectValueInvalid:          mms.FilePositionInvalid,
		acsi.TemporarilyUnavailable:      mms.FileFileBusy,
		acsi.HardwareFault:               mms.FileInsufficientSpaceInFilestore,
		acsi.ObjectAttributeInconsistent: mms.FileDuplicateFilename,
		acsi.ObjectAccessUnsupported:     mms.AccessObjectAccessUnsupported,
	} {
		f.err = acsi.Errorf(code, "never travels")
		_, _, open := c.OpenFile(t.Context(), "x", 0)
		_, list := c.GetFiles(t.Context(), "x")
		for what, err := range map[string]error{"open": open, "list": list, "delete": c.DeleteFile(t.Context(), "x"),
			"set": c.SetFile(t.Context(), "x", strings.NewReader("y"))} {
			if text(err) != code.String() {
				t.Errorf("%s: got %v, want %v", what, err, code)
			}
		}
		if _, err := a.Call(t.Context(), &mms.FileDeleteRequest{FileName: mms.FileName{"x"}}); !errors.Is(err, &assoc.ServiceError{Class: class}) {
			t.Errorf("%v: got %v, want %v", code, err, class)
		}
	}
}

// A peer reads what it has opened, as often as it may, and nothing stays open behind it.
func TestOpenFilesOfAPeer(t *testing.T) {
	f := newFake()
	f.content = []byte("x")
	a, w := rawly(t, f.services, everyRole())
	open := &mms.FileOpenRequest{FileName: mms.FileName{"x"}}
	for range 16 {
		if _, err := a.Call(t.Context(), open); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Call(t.Context(), open); !errors.Is(err, &assoc.ServiceError{Class: mms.FileFileBusy}) {
		t.Errorf("one more than there may be: got %v", err)
	}
	for _, request := range []mms.ConfirmedServiceRequest{&mms.FileReadRequest{FRSMID: 99}, &mms.FileCloseRequest{FRSMID: -1}} {
		if _, err := a.Call(t.Context(), request); !errors.Is(err, &assoc.ServiceError{Class: mms.FileFileNonExistent}) {
			t.Errorf("%T of no file: got %v", request, err)
		}
	}
	f.heard()
	a.Abort()
	<-f.closed
	if got := strings.Join(f.heard(), " "); got != strings.TrimSpace(strings.Repeat("close ", 16)) {
		t.Errorf("at the end: got %q", got)
	}
	if len(w.Faults()) > 0 {
		t.Errorf("faults: %v", w.Faults())
	}
}

// prying is an IED that asks for more than it is offered.
func prying(t *testing.T, ask func(ctx context.Context, a *assoc.Association) error) (c *clientOf) {
	t.Helper()
	c = new(clientOf)
	var server *assoc.Association
	c.acsiClient, server = withServer(t, func(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		if _, ok := request.(*mms.ObtainFileRequest); !ok {
			return nil, assoc.ErrUnrecognizedService
		}
		if err := ask(ctx, server); err != nil {
			t.Error(err)
		}
		return &mms.ObtainFileResponse{}, nil
	})
	c.server = server
	return c
}

// clientOf is a client and the other end.
type clientOf struct {
	acsiClient acsi.Services
	server     *assoc.Association
}

// The client serves the file that it offers, once, from its beginning, and nothing else. IEC 61850-8-1, SetFile.
//
// Conformance: cFt.
func TestIEDThatPries(t *testing.T) {
	refused := func(ctx context.Context, a *assoc.Association, class mms.ErrorClass, request mms.ConfirmedServiceRequest) error {
		if r, err := a.Call(ctx, request); !errors.Is(err, &assoc.ServiceError{Class: class}) {
			return fmt.Errorf("%+v: got %+v, %v, want %v", request, r, err, class)
		}
		return nil
	}
	rejected := func(ctx context.Context, a *assoc.Association, request mms.ConfirmedServiceRequest) error {
		if r, err := a.Call(ctx, request); err == nil {
			return fmt.Errorf("%+v: got %+v", request, r)
		}
		return nil
	}
	c := prying(t, func(ctx context.Context, a *assoc.Association) error {
		errs := []error{
			refused(ctx, a, mms.FileFileNonExistent, &mms.FileOpenRequest{FileName: mms.FileName{"/etc/passwd"}}),
			refused(ctx, a, mms.FileFileNonExistent, &mms.FileOpenRequest{FileName: mms.FileName{"..", "mine"}}),
			refused(ctx, a, mms.FilePositionInvalid, &mms.FileOpenRequest{FileName: mms.FileName{"mine"}, InitialPosition: 1}),
			refused(ctx, a, mms.FileFileNonExistent, &mms.FileReadRequest{FRSMID: 0}),
			rejected(ctx, a, &mms.FileDirectoryRequest{}),
			rejected(ctx, a, &mms.FileDeleteRequest{FileName: mms.FileName{"mine"}}),
			rejected(ctx, a, &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{}}),
		}
		r, err := a.Call(ctx, &mms.FileOpenRequest{FileName: mms.FileName{"mine"}})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		opened := r.(*mms.FileOpenResponse)
		if opened.FileAttributes.SizeOfFile != 3 {
			errs = append(errs, fmt.Errorf("the size is %d", opened.FileAttributes.SizeOfFile))
		}
		return errors.Join(append(errs,
			refused(ctx, a, mms.FileFileBusy, &mms.FileOpenRequest{FileName: mms.FileName{"mine"}}),
			refused(ctx, a, mms.FileFileNonExistent, &mms.FileReadRequest{FRSMID: opened.FRSMID + 1}))...)
	})
	if err := c.acsiClient.SetFile(t.Context(), "mine", strings.NewReader("abc")); err != nil {
		t.Error(err)
	}
	if err := refused(t.Context(), c.server, mms.FileFileNonExistent, &mms.FileOpenRequest{FileName: mms.FileName{"mine"}}); err != nil {
		t.Errorf("when it has been sent: %v", err)
	}
	if err := refused(t.Context(), c.server, mms.FileFileNonExistent, &mms.FileReadRequest{FRSMID: 1}); err != nil {
		t.Errorf("when it has been sent, though not closed: %v", err)
	}
}

// An error of what is to be written reaches who wanted it written, and the IED keeps nothing.
func TestContentThatCannotBeRead(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	broken := errors.New("the disk is gone")
	err := c.SetFile(t.Context(), "x", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if len(f.written) > 3 {
		t.Errorf("%d octets were written", len(f.written))
	}
	if c.Err() != nil {
		t.Errorf("the association ended: %v", c.Err())
	}
}

// A client that does not serve the file that it wants written is told so; what it does send without end is cut off.
func TestClientsThatDoNotServeTheirFile(t *testing.T) {
	f := newFake()
	obtain := &mms.ObtainFileRequest{SourceFile: mms.FileName{"a"}, DestinationFile: mms.FileName{"b"}}
	a, _ := rawly(t, f.services, everyRole())
	if _, err := a.Call(t.Context(), obtain); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessUnsupported}) {
		t.Errorf("a client that serves nothing: got %v", err)
	}
	for name, read := range map[string]*mms.FileReadResponse{
		"nothing, and more follows": {FileData: []byte{}, MoreFollows: true},
	} {
		b, w := rawlyWith(t, f.services, everyRole(), assoc.Config{Handler: func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			switch request.(type) {
			case *mms.FileOpenRequest:
				return &mms.FileOpenResponse{}, nil
			case *mms.FileReadRequest:
				return read, nil
			}
			return nil, &assoc.ServiceError{Class: mms.FileOther}
		}})
		if _, err := b.Call(t.Context(), obtain); err == nil {
			t.Errorf("%s: got no error", name)
		}
		if faults := w.Faults(); len(faults) > 0 {
			t.Errorf("%s: what the peer did is said to be a fault of ours: %v", name, faults)
		}
	}
	other := &mms.ObtainFileRequest{SourceFileServer: &mms.ApplicationReference{}, SourceFile: mms.FileName{"a"}, DestinationFile: mms.FileName{"b"}}
	if _, err := a.Call(t.Context(), other); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessUnsupported}) {
		t.Errorf("of a third party: got %v", err)
	}
}

func TestFilesOfAPeerThatMakeNoSense(t *testing.T) {
	c := against(t, func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		switch r := request.(type) {
		case *mms.FileOpenRequest:
			return &mms.FileOpenResponse{FRSMID: -7, FileAttributes: mms.FileAttributes{SizeOfFile: 1<<32 - 1, LastModified: "20260304120000.5+0100"}}, nil
		case *mms.FileReadRequest:
			return &mms.FileReadResponse{FileData: []byte{}, MoreFollows: true}, nil
		case *mms.FileDirectoryRequest:
			same := mms.DirectoryEntry{FileName: mms.FileName{"a"}}
			switch fileSpec := strings.Join(r.FileSpecification, ""); fileSpec {
			case "twice":
				return &mms.FileDirectoryResponse{ListOfDirectoryEntry: []mms.DirectoryEntry{same}, MoreFollows: true}, nil
			case "long":
				return &mms.FileDirectoryResponse{ListOfDirectoryEntry: []mms.DirectoryEntry{{FileName: mms.FileName{strings.Repeat("x", 5000)}}}}, nil
			}
			return &mms.FileDirectoryResponse{ListOfDirectoryEntry: []mms.DirectoryEntry{}, MoreFollows: true}, nil
		}
		return nil, &assoc.ServiceError{Class: mms.FileOther}
	})
	for name, want := range map[string]string{"twice": "twice", "long": "5000 octets", "none": "nothing does"} {
		if got, err := c.GetFiles(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v %v", name, got, err)
		}
	}
	r, about, err := c.OpenFile(t.Context(), "x", 0)
	if err != nil || !about.Modified.Equal(noon.Add(-time.Hour).Add(500*time.Millisecond)) {
		t.Fatalf("got %+v %v", about, err)
	}
	if n, err := r.Read(make([]byte, 10)); err == nil || err == io.EOF {
		t.Errorf("a part of nothing: got %d %v", n, err)
	}
	if err := r.Close(); text(err) != "hardware-fault" {
		t.Errorf("close: got %v", err)
	}
}
