package mmsmap

import (
	"fmt"
	"strings"

	"busbar.example/mms"
)

// describeFileRequest tells of the services for files. GetFile is three services in MMS, which are also how a server fetches
// what SetFile has told it of.
func describeFileRequest(r mms.ConfirmedServiceRequest) Meaning {
	switch r := r.(type) {
	case *mms.FileOpenRequest:
		m := Meaning{Service: "GetFile (open)", Objects: []string{fileName(r.FileName)}}
		if r.InitialPosition != 0 {
			m.Objects = append(m.Objects, fmt.Sprint("from octet ", r.InitialPosition))
		}
		return m
	case *mms.FileReadRequest:
		return Meaning{Service: "GetFile (read)", Objects: []string{openFile(r.FRSMID)}}
	case *mms.FileCloseRequest:
		return Meaning{Service: "GetFile (close)", Objects: []string{openFile(r.FRSMID)}}
	case *mms.FileDeleteRequest:
		return Meaning{Service: "DeleteFile", Objects: []string{fileName(r.FileName)}}
	case *mms.FileDirectoryRequest:
		return describeFiles(r)
	case *mms.ObtainFileRequest:
		m := Meaning{Service: "SetFile", Objects: []string{fileName(r.DestinationFile) + " of " + fileName(r.SourceFile)}}
		if r.SourceFileServer != nil {
			m.Objects[0] += " of another server"
		}
		return m
	}
	return Meaning{Service: strings.TrimSuffix(goName(r), "Request")}
}

// describeFiles tells the directory of files from the attributes of one file, as far as its name can tell.
func describeFiles(r *mms.FileDirectoryRequest) Meaning {
	m := Meaning{Service: "GetServerDirectory (files)"}
	if name := fileName(r.FileSpecification); name != "" {
		m.Objects = []string{name}
		if !strings.ContainsAny(name, "*?") && !strings.HasSuffix(name, "/") {
			m.Service = "GetFileAttributeValues"
		}
	}
	if after := fileName(r.ContinueAfter); after != "" {
		m.Objects = append(m.Objects, "after "+after)
	}
	return m
}

func describeFileResponse(r mms.ConfirmedServiceResponse) Meaning {
	switch r := r.(type) {
	case *mms.FileOpenResponse:
		return Meaning{Service: "GetFile (open)", Outcome: openFile(r.FRSMID) + ", " + size(r.FileAttributes)}
	case *mms.FileReadResponse:
		outcome := count(len(r.FileData), "octet")
		if r.MoreFollows {
			outcome += ", more follow"
		}
		return Meaning{Service: "GetFile (read)", Outcome: outcome}
	case *mms.FileCloseResponse:
		return Meaning{Service: "GetFile (close)", Outcome: "done"}
	case *mms.FileDeleteResponse:
		return Meaning{Service: "DeleteFile", Outcome: "done"}
	case *mms.FileDirectoryResponse:
		return describeDirectory(r)
	case *mms.ObtainFileResponse:
		return Meaning{Service: "SetFile", Outcome: "done"}
	}
	return Meaning{Service: strings.TrimSuffix(goName(r), "Response")}
}

func describeDirectory(r *mms.FileDirectoryResponse) Meaning {
	m := Meaning{Service: "GetServerDirectory (files)"}
	if n := len(r.ListOfDirectoryEntry); n == 0 || n > fewResults {
		m.Outcome = count(n, "file")
	} else {
		var files []string
		for _, e := range r.ListOfDirectoryEntry {
			files = append(files, fileName(e.FileName)+" ("+size(e.FileAttributes)+")")
		}
		m.Outcome = strings.Join(files, ", ")
	}
	if r.MoreFollows {
		m.Outcome += ", more follow"
	}
	return m
}

func fileName(name mms.FileName) string { return strings.Join(name, "/") }

func openFile(id int32) string { return fmt.Sprint("open file ", id) }

func size(a mms.FileAttributes) string { return count(int(a.SizeOfFile), "octet") }
