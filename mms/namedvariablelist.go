package mms

import "busbar.example/internal/asn1"

// DefineNamedVariableListRequest makes a list of variables that has a name.
//
// ISO 9506-2, DefineNamedVariableList-Request.
type DefineNamedVariableListRequest struct {
	VariableListName ObjectName     `asn:"variableListName"`
	ListOfVariable   ListOfVariable `asn:"listOfVariable [0] SEQUENCE OF SEQUENCE"`
}

// DefineNamedVariableListResponse says that it was made.
//
// ISO 9506-2, DefineNamedVariableList-Response.
type DefineNamedVariableListResponse struct{}

// GetNamedVariableListAttributesRequest asks what is in a list.
//
// ISO 9506-2, GetNamedVariableListAttributes-Request.
type GetNamedVariableListAttributesRequest struct {
	VariableListName ObjectName `asn:"TRANSPARENT"`
}

// GetNamedVariableListAttributesResponse says it.
//
// ISO 9506-2, GetNamedVariableListAttributes-Response.
type GetNamedVariableListAttributesResponse struct {
	MMSDeletable   bool           `asn:"mmsDeletable [0]"`
	ListOfVariable ListOfVariable `asn:"listOfVariable [1] SEQUENCE OF SEQUENCE"`
}

// DeleteNamedVariableListRequest deletes lists: with DeleteSpecific those that are listed, with DeleteDomain those of a
// domain.
//
// ISO 9506-2, DeleteNamedVariableList-Request.
type DeleteNamedVariableListRequest struct {
	ScopeOfDelete          DeleteScope  `asn:"scopeOfDelete [0] DEFAULT specific"`
	ListOfVariableListName []ObjectName `asn:"listOfVariableListName [1] OPTIONAL"` // nil: none
	DomainName             string       `asn:"domainName [2] Identifier OPTIONAL"`  // "": none
}

// DeleteNamedVariableListResponse says how many of the lists there are, and how many were deleted.
//
// ISO 9506-2, DeleteNamedVariableList-Response.
type DeleteNamedVariableListResponse struct {
	NumberMatched uint32 `asn:"numberMatched [0]"`
	NumberDeleted uint32 `asn:"numberDeleted [1]"`
}

// DeleteScope is which lists are deleted.
//
// ISO 9506-2, DeleteNamedVariableList-Request.
type DeleteScope int32

// The scopes.
const (
	DeleteSpecific   DeleteScope = 0 // the lists that are named
	DeleteAASpecific DeleteScope = 1 // all lists of the association
	DeleteDomain     DeleteScope = 2 // all lists in a domain
	DeleteVMD        DeleteScope = 3 // all lists of the server
)

var deleteScopeNames = asn1.Names{"specific", "aa-specific", "domain", "vmd"}

// String gives the standard's word for s.
func (s DeleteScope) String() string { return deleteScopeNames.Text(int64(s)) }
