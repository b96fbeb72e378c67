DROP TABLE feedback_votes;
DROP TABLE feedback_datasets;
DROP TABLE feedback;
