// Package acsi is the meaning of IEC 61850: references, functional constraints, the model tree, quality
// and time, service errors, and the abstract services of IEC 61850-7-2 as one interface. It knows neither
// how a service is said on a wire nor how it travels.
package acsi
