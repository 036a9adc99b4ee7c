package mms

import "busbar.example/internal/asn1"

// GetVariableAccessAttributesRequest asks for the type of a variable. It is a CHOICE in ISO 9506-2 whose other
// alternative, an address, IEC 61850 does not use; with this one only, it is encoded as a SEQUENCE.
//
// ISO 9506-2, GetVariableAccessAttributes-Request.
type GetVariableAccessAttributesRequest struct {
	Name ObjectName `asn:"name [0]"`
}

// GetVariableAccessAttributesResponse has the type.
//
// ISO 9506-2, GetVariableAccessAttributes-Response.
type GetVariableAccessAttributesResponse struct {
	MMSDeletable      bool              `asn:"mmsDeletable [0]"`
	Address           Address           `asn:"address [1] OPTIONAL"` // nil: not public
	TypeSpecification TypeSpecification `asn:"typeSpecification [2] ALIAS typeDescription"`
}

// Address is NumericAddress, SymbolicAddress or UnconstrainedAddress: where a variable is, in the server's own terms.
//
// ISO 9506-2, Address.
type Address interface{ address() }

// The alternatives of Address.
type (
	NumericAddress       uint32
	SymbolicAddress      string
	UnconstrainedAddress []byte
)

func (NumericAddress) address()       {}
func (SymbolicAddress) address()      {}
func (UnconstrainedAddress) address() {}

var addressDecl = asn1.Choice[Address]("Address",
	asn1.Alt[NumericAddress]("numericAddress [0]"),
	asn1.Alt[SymbolicAddress]("symbolicAddress [1] VisibleString"),
	asn1.Alt[UnconstrainedAddress]("unconstrainedAddress [2]"),
)
