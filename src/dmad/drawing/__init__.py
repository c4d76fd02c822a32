"""Pictures of maps and deformation fields, charts of scores, and annotated videos."""
