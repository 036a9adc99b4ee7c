package mms

// FileName is the name of a file, in parts whose meaning the file's server knows. In IEC 61850 it is one part.
//
// ISO 9506-2, FileName.
type FileName []string

// FileAttributes is what a file store knows of a file.
//
// ISO 9506-2, FileAttributes.
type FileAttributes struct {
	SizeOfFile   uint32 `asn:"sizeOfFile [0]"`                            // octets
	LastModified string `asn:"lastModified [1] GeneralizedTime OPTIONAL"` // such as 20260102030405Z; "": not known
}

// FileOpenRequest opens a file to be read from an octet on, counted from 0.
//
// ISO 9506-2, FileOpen-Request.
type FileOpenRequest struct {
	FileName        FileName `asn:"fileName [0] SEQUENCE OF GraphicString ALIAS filename"`
	InitialPosition uint32   `asn:"initialPosition [1]"`
}

// FileOpenResponse has the number that the open file has in this association.
//
// ISO 9506-2, FileOpen-Response.
type FileOpenResponse struct {
	FRSMID         int32          `asn:"frsmID [0]"`
	FileAttributes FileAttributes `asn:"fileAttributes [1]"`
}

// FileReadRequest asks for the next octets of an open file.
//
// ISO 9506-2, FileRead-Request.
type FileReadRequest struct {
	FRSMID int32 `asn:"TRANSPARENT"`
}

// FileReadResponse has them.
//
// ISO 9506-2, FileRead-Response.
type FileReadResponse struct {
	FileData    []byte `asn:"fileData [0]"`
	MoreFollows bool   `asn:"moreFollows [1] DEFAULT TRUE"`
}

// FileCloseRequest closes a file.
//
// ISO 9506-2, FileClose-Request.
type FileCloseRequest struct {
	FRSMID int32 `asn:"TRANSPARENT"`
}

// FileCloseResponse says that it is closed.
//
// ISO 9506-2, FileClose-Response.
type FileCloseResponse struct{}

// FileDeleteRequest deletes a file.
//
// ISO 9506-2, FileDelete-Request.
type FileDeleteRequest struct {
	FileName FileName `asn:"TRANSPARENT"`
}

// FileDeleteResponse says that it was deleted.
//
// ISO 9506-2, FileDelete-Response.
type FileDeleteResponse struct{}

// FileDirectoryRequest asks which files there are.
//
// ISO 9506-2, FileDirectory-Request.
type FileDirectoryRequest struct {
	FileSpecification FileName `asn:"fileSpecification [0] SEQUENCE OF GraphicString OPTIONAL"` // nil: all
	ContinueAfter     FileName `asn:"continueAfter [1] SEQUENCE OF GraphicString OPTIONAL"`     // nil: from the beginning
}

// FileDirectoryResponse says it.
//
// ISO 9506-2, FileDirectory-Response.
type FileDirectoryResponse struct {
	ListOfDirectoryEntry []DirectoryEntry `asn:"listOfDirectoryEntry [0] EXPLICIT"`
	MoreFollows          bool             `asn:"moreFollows [1] DEFAULT FALSE"`
}

// DirectoryEntry is a file.
//
// ISO 9506-2, DirectoryEntry.
type DirectoryEntry struct {
	FileName       FileName       `asn:"fileName [0] SEQUENCE OF GraphicString ALIAS filename"`
	FileAttributes FileAttributes `asn:"fileAttributes [1]"`
}

// ObtainFileRequest asks the server to fetch a file: of the client's, with fileOpen, fileRead and fileClose towards it,
// where no other file server is named.
//
// ISO 9506-2, ObtainFile-Request.
type ObtainFileRequest struct {
	SourceFileServer *ApplicationReference `asn:"sourceFileServer [0] OPTIONAL"` // nil: the client
	SourceFile       FileName              `asn:"sourceFile [1] SEQUENCE OF GraphicString"`
	DestinationFile  FileName              `asn:"destinationFile [2] SEQUENCE OF GraphicString"`
}

// ObtainFileResponse says that the server has it.
//
// ISO 9506-2, ObtainFile-Response.
type ObtainFileResponse struct{}
