"""Monthly scorecard of the business."""
