package mmsmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// What a list of files is bounded by.
const (
	maxFiles    = 1 << 16
	maxFileName = 1024 // octets
)

// GetFiles asks which files there are. IEC 61850-8-1, GetServerDirectory of FILE and GetFileAttributeValues.
func (c *Client) GetFiles(ctx context.Context, name string) ([]acsi.File, error) {
	files, seen := []acsi.File{}, make(map[string]bool)
	var last mms.FileName
	for {
		response, err := call[*mms.FileDirectoryResponse](ctx, c, &mms.FileDirectoryRequest{FileSpecification: fileNamed(name), ContinueAfter: last})
		if err != nil {
			return nil, errorsOfFiles.meaning(err)
		}
		for _, entry := range response.ListOfDirectoryEntry {
			f := fileOf(entry.FileName, entry.FileAttributes)
			switch {
			case len(f.Name) > maxFileName:
				return nil, fmt.Errorf("the peer lists a file with a name of %d octets", len(f.Name))
			case seen[f.Name]:
				return nil, fmt.Errorf("the peer's list of files has %q twice", f.Name)
			case len(files) >= maxFiles:
				return nil, fmt.Errorf("the peer's list of files is longer than %d", maxFiles)
			}
			seen[f.Name] = true
			files, last = append(files, f), entry.FileName
		}
		switch {
		case !response.MoreFollows:
			slices.SortFunc(files, func(a, b acsi.File) int { return strings.Compare(a.Name, b.Name) })
			return files, nil
		case len(response.ListOfDirectoryEntry) == 0:
			return nil, errors.New("the peer's list of files says that more follows, and nothing does")
		}
	}
}

// DeleteFile removes a file. IEC 61850-8-1, DeleteFile.
func (c *Client) DeleteFile(ctx context.Context, name string) error {
	_, err := call[*mms.FileDeleteResponse](ctx, c, &mms.FileDeleteRequest{FileName: fileNamed(name)})
	return errorsOfFiles.meaning(err)
}

// fileDirectory answers with as many files as fit into one PDU.
func (s *server) fileDirectory(ctx context.Context, r *mms.FileDirectoryRequest) (mms.ConfirmedServiceResponse, error) {
	files, err := s.services.GetFiles(ctx, fileAsked(r.FileSpecification))
	if err != nil {
		return nil, errorsOfFiles.of(err)
	}
	if after := fileName(r.ContinueAfter); after != "" {
		at, found := slices.BinarySearchFunc(files, after, func(f acsi.File, name string) int { return strings.Compare(f.Name, name) })
		if found {
			at++
		}
		files = files[at:] // by their order: a file that is gone by now has its place in it all the same
	}
	response := &mms.FileDirectoryResponse{ListOfDirectoryEntry: []mms.DirectoryEntry{}}
	room := roomForNames(s.association.Parameters().MaxPDU)
	for i, f := range files {
		const overhead, perOctet = 300, 6 // in XML, generously
		if room -= overhead + perOctet*len(f.Name); room < 0 && i > 0 {
			response.MoreFollows = true
			break
		}
		response.ListOfDirectoryEntry = append(response.ListOfDirectoryEntry, mms.DirectoryEntry{FileName: fileNamed(f.Name), FileAttributes: fileAttributes(f)})
	}
	return response, nil
}

// fileDelete removes a file.
func (s *server) fileDelete(ctx context.Context, r *mms.FileDeleteRequest) (mms.ConfirmedServiceResponse, error) {
	if err := s.services.DeleteFile(ctx, fileAsked(r.FileName)); err != nil {
		return nil, errorsOfFiles.of(err)
	}
	return &mms.FileDeleteResponse{}, nil
}
